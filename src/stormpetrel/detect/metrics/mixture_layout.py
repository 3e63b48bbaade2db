"""The columns of the mixture's state and its fixed rates: one configuration for all series."""

ORDER = 8  # past changes that predict the next one

# Columns of a mixture row, float64[FIELDS].
NORMAL, NORMAL_SCALE = 0, 1  # what the series is like over some thousands of samples
LEVEL_SCALE, DAY_SCALE, DAY_REST, REST_SCALE = 2, 3, 4, 5
MOVE_SCALE, FORECAST_SCALE, SHIFT, SPREAD = 6, 7, 8, 9
DAY_N, DAY_ERROR, LEVEL_ERROR, STEP = 10, 11, 12, 13
CALM, CALM_SCALE, CALM_LONGEST, LAST_MOVE = 14, 15, 16, 17
SMOOTH, ENERGY, HELD = 18, 19, 20
HABIT, OUTSIDE, BACK, STRANGEST = 21, 22, 23, 24
SHARE, SHARE_N, TAIL_MEAN, TAIL_N, ALERT = 25, 26, 27, 28, 29
TREND_SCALE, DRIFT_RULER, DRIFT_TOLD, DRIFT_LEFT, BORROWED = 30, 31, 32, 33, 34
LAGS, COVARIANCE, WEIGHTS = 35, 35 + ORDER, 36 + 2 * ORDER
LINGERED, LINGER_SCALE = 36 + 3 * ORDER, 37 + 3 * ORDER
FIELDS = 38 + 3 * ORDER

# The views, in units of their own usual error: float64[VIEWS].
AWAY, NEAR, SEASON, FORECAST, MOVED, SHIFTED, WIDE, REST, TREND, LINGER, STILL = range(11)
VIEWS = 11
VIEW_NAMES = (
    "away",
    "near",
    "season",
    "forecast",
    "moved",
    "shifted",
    "wide",
    "rest",
    "trend",
    "linger",
    "still",
)
# What the views exceed is weighed and the sum divided: neighbours in time say most of how an incident
# begins, the running shift least, for it lingers.
WEIGHT_OF_VIEW = (1.0, 1.0, 1.0, 1.3, 1.3, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0)
WEIGHT_FOR_ALARM = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0)  # what lingers wakes nobody
SHARED_BY = 9.0
MOST_OVER = 2.5  # log excess that a view counts at most for in the rank

NORMAL_RATE = 0.0002
TREND_STEP, TREND_YOUNG = 0.0001, 1000.0  # sign step of its ruler; samples before a trend is looked for
SCALE_RATE = 0.0007  # slower than any incident: the ruler must not stretch with what it measures
CLIP = 5.0  # a residual teaches as if it were at most this many scales
YOUNG = 24.0  # samples before anything is clipped, or said
DOUBT = 50.0  # samples after which half of what is seen is believed
RANK_DOUBT = 10.0  # ... by the rank: to be first in a list takes less proof than to wake a person
BUSY_START = 400.0  # samples in which a series may still be starting up
BORROWED_FOR = 60.0  # samples that borrowed scales weigh
FLOOR_OF_SPREAD = 0.05  # a scale is never below this share of the usual distance from normal
FLOOR_OF_MAGNITUDE = 1e-4
REST_RATE, SHIFT_RATE, SPREAD_RATE, ERROR_RATE = 0.02, 0.1, 0.05, 0.005
COVARIANCE_RATE = 0.001
LINGER_RATE, LINGER_SCALE_RATE = 0.02, 0.0005  # of the mean of some fifty samples, and of its ruler
LINGER_MOST, LINGER_FLOOR = 4.0, 0.02  # distances from normal: a sample counts at most, its ruler at least
SOLVE_EVERY = 32  # samples between two solutions for the weights of past changes

USUAL = 2.5  # scales that are no excess at all
STILL_SHARE = 0.05  # of the usual change of change: below it a sample is uncannily calm
STILL_FLOOR = 1e-6  # of the magnitude: what never changes by more has nothing to be still about
STILL_GAIN, STILL_MOST, STILL_LEAST = 0.5, 3.0, 8.0

SMOOTHING = 0.45  # of the mean excess
RANK_ENERGY, ENERGY_SPAN = 0.5, 32.0
HOLD_RISE, HOLD_LEAVE, HOLD_DECAY = 1.1, 0.8, 0.85  # the rank of an incident holds at its peak

TAIL_FROM = 0.05  # smoothed excess beyond which the tail is fitted
TAIL_LEAST, TAIL_PRIOR = 0.025, 60.0  # length of the tail of a calm series, and what it weighs, in samples
SHARE_LEAST, SHARE_PRIOR = 0.01, 200.0  # ... and of how often the tail is reached
TAIL_YOUNG, TAIL_DOUBT = 0.05, 200.0  # a young series may have a longer tail than was seen yet
TAIL_RATE = 0.0001
LOG_BAR = 7.0  # -log p (natural) at which an excursion begins
HABIT_WEIGHT, HABIT_SPAN = 0.4, 15_000.0  # each excursion raises the bar for the next, this many samples
BACK_SHARE, BACK_FOR = 0.8, 3.0  # an excursion ends after so many samples below this share of the bar
REST_MOST = 0.25  # mean excess, at most, of a series that rests at zero: one burst there has no size
# A drift is told when the two means are so many rulers apart, again at so many times what was told, each
# time for some samples; what was told is forgotten over a span of samples.
DRIFT_AT, DRIFT_AGAIN, DRIFT_SAYS, DRIFT_SPAN, DRIFT_LOG_P = 1.8, 2.0, 8.0, 20_000.0, -9.5
OTHER_HEADS = 100.0  # the p-values of the single heads count this many times
