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
STREAK, EPISODES = 23, 24
FIELDS = 26

LEVEL_RATE, SCALE_RATE, ERROR_RATE = 0.02, 0.01, 0.005
DRIFT_RATE, DRIFT_SCALE_RATE = 0.1, 0.005
CLIP = 4.0  # a residual teaches as if it were at most this many scales
SLOT_RATE = 0.25  # of the newest day in a seasonal slot's mean
SEASON_GAIN = 0.85  # the seasonal model must lower the error to this share to be used
SEASON_TRIAL = 200.0  # samples on which it is compared first

FLOOR_OF_LEVEL = 0.005  # scale floor as a share of the level: half a percent of itself is never strange
FLOOR_OF_MAGNITUDE = 1e-4  # ... and of the largest value lately, for series that live at zero
BLIND_SCORE = 4.0  # score of the first move of a series that was always zero: it has no unit yet

P_EXTREME = 1e-6  # not counted as healthy from here on
RELEARN = 360.0  # an episode that lasts this many samples is the new normal
FREE_EPISODES = 2.0  # extreme episodes within EPISODE_MEMORY that are not held against the next
EPISODE_MEMORY = 8192.0  # samples
FLAT_RUN = 720.0  # a flatline older than this is the new normal

RESIDUAL, JUMP, SHIFT, FLAT = 0, 1, 2, 3
SCORED_HEADS = 3  # those with a learnt tail; the flatline's p-value is a formula
HEADS = 4

# View of one sample, float64[VIEW]: prediction, its two scales, the floor, and whether it is seasonal.
EXPECTED, V_UP, V_DOWN, V_FLOOR, V_SEASONAL = 0, 1, 2, 3, 4
VIEW = 5
