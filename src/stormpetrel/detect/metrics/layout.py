"""The columns of the robust bank's state and its fixed rates: one configuration for all series."""

SLOTS = 96  # a quarter of an hour each for a season of a day

# Columns of a state row, float64[FIELDS].
N, PREV, HAS_PREV = 0, 1, 2
LEVEL, UP, DOWN, ERROR = 3, 4, 5, 6
S_N, S_LEVEL, S_UP, S_DOWN, S_ERROR = 7, 8, 9, 10, 11
MOVE, DRIFT, DRIFT_SCALE = 12, 13, 14
QUANTUM, MAGNITUDE = 15, 16
RUN, LONGEST, RUNS = 17, 18, 19
SLOT, SLOT_SUM, SLOT_N = 20, 21, 22
STREAK, EPISODES, SEASONAL, UNUSUAL = 23, 24, 25, 26
LONG, LONG_SCALE = 27, 28
EXCURSION, EXCURSIONS = 29, 30  # longest run of unusual samples, and how many such runs
LEAST = 31  # the least value seen: one that rests there has nothing to do; never negative, no negative band
DAY_LOW, DAY_HIGH, DAY_SCALE = 32, 33, 34  # extremes of the level, and the largest scale, in this season
PAST_LOW, PAST_HIGH, PAST_SCALE = 35, 36, 37  # ... and in the one before; PAST_SCALE 0: not bounded
FIELDS = 38

LEVEL_RATE, SCALE_RATE, ERROR_RATE = 0.02, 0.01, 0.005
LONG_RATE = 0.0005
DRIFT_RATE, DRIFT_SCALE_RATE = 0.1, 0.005
CLIP = 4.0  # a residual teaches as if it were at most this many scales
# In one season the level may leave the range it had in the one before by that range, or by this many
# scales, and the scale may double: who wants to teach the model a lie must be noticed first.
ROOM, SCALE_ROOM = 10.0, 2.0
SETTLED_SEASON = 480.0  # samples before the first season bounds the next
SLOT_RATE = 0.25  # of the newest day in a seasonal slot's mean
SEASON_GAIN = 0.85  # the seasonal model must lower the error to this share to be taken up
SEASON_REVEALS = 0.3  # below this share, what residuals were before says nothing about what they are now
SEASON_TRIAL = 200.0  # samples on which it is compared first

FLOOR_OF_LEVEL = 0.005  # scale floor as a share of the level: half a percent of itself is never strange
FLOOR_OF_MAGNITUDE = 1e-4  # ... and of the largest value lately, for series that live at zero
STEPS_NEEDED = 3.0  # changes of value before the smallest of them is taken for the resolution
SMALL_STEP = 0.02  # share of the level: a whole step up to this is the resolution from the first one
SPARSE = 0.25  # share of samples that differ from the one before, below which a series rests
REST = 0.05  # a resting series whose level is below this share of its magnitude rests at zero
BLIND_SCORE = 8.0  # largest score of a series that rests at zero: it has no unit, size means little

P_UNUSUAL = 0.02  # an excursion lasts while samples are at or below it
P_EXTREME = 1e-6  # not counted as healthy from here on
SETTLED = 16.0  # samples before scores are counted at all
RELEARN = 360.0  # an episode that lasts this many samples is the new normal
FREE_EPISODES = 2.0  # extreme episodes within EPISODE_MEMORY that are not held against the next
EPISODE_MEMORY = 8192.0  # samples
PINNED = 0.5  # scales from its magnitude: nearer, a series stands at the most it ever was
FLAT_RUN = 720.0  # a flatline older than this is the new normal

RESIDUAL, JUMP, SHIFT, AFAR, FLAT, LASTING = 0, 1, 2, 3, 4, 5
SCORED_HEADS = 4  # those with a learnt tail; the p-values of runs are a formula
HEADS = 6
SEASON, FORECAST, SPREAD, STILL, TREND = 6, 7, 8, 9, 10  # heads that only the mixture has

# View of one sample, float64[VIEW]: prediction, its two scales, the floor, largest score, and the
# whole step that is no shift by itself.
EXPECTED, V_UP, V_DOWN, V_FLOOR, V_MOST, V_STEP = 0, 1, 2, 3, 4, 5
VIEW = 6
