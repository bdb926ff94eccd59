package perennial

// Pipeline is what a user writes to keep one model in production: which data,
// which candidates, how to choose, how to roll out, what to watch and when to
// train again. Decoding, line numbers and validation are in internal/pipeline.
type Pipeline struct {
	Version    int         `json:"version"`
	Name       string      `json:"name"`
	Task       Task        `json:"task"`
	Owner      Owner       `json:"owner"`
	Data       DataSource  `json:"data"`
	Schema     string      `json:"schema"` // path of the schema file
	Split      Split       `json:"split"`
	Preprocess Preprocess  `json:"preprocess"`
	Candidates []Candidate `json:"candidates"`
	Tuning     Tuning      `json:"tuning"`
	Select     Select      `json:"select"`
	Threshold  *Threshold  `json:"threshold,omitempty"` // binary classification; nil: 0.5
	Slices     []string    `json:"slices,omitempty"`
	Gates      []Gate      `json:"gates"`
	Rollout    RolloutSpec `json:"rollout"`
	Monitor    MonitorSpec `json:"monitor"`
	Retrain    RetrainSpec `json:"retrain"`
	Log        LogSpec     `json:"log"`
}

// Task is the kind of learning task.
type Task string

// The tasks.
const (
	Classification Task = "classification"
	Regression     Task = "regression"
)

// Owner labels a model's alerts.
type Owner struct {
	Team    string `json:"team,omitempty"`
	Contact string `json:"contact,omitempty"`
}

// DataSource says where the table is and how to read it.
type DataSource struct {
	Path     string       `json:"path"`
	Target   string       `json:"target"`
	Positive string       `json:"positive,omitempty"` // binary classification
	CSV      CSVOptions   `json:"csv"`
	Feedback FeedbackSpec `json:"feedback"`
}

// CSVOptions says how to read a CSV file.
type CSVOptions struct {
	Delimiter  string   `json:"delimiter"`
	Decimal    string   `json:"decimal"`
	NullValues []string `json:"null_values"`
	Thousands  string   `json:"thousands,omitempty"`   // between groups of three digits of a number, as , in 1,234.5; empty: none
	Strip      []string `json:"strip,omitempty"`       // texts taken away before and after numbers: "$", "%", "EUR"
	Negative   string   `json:"negative,omitempty"`    // minus (the default), or parentheses: (12) is -12 too
	NullTarget string   `json:"null_target,omitempty"` // a row without a target: reject (the default) or drop
}

// FeedbackSpec says which labelled live predictions join the base data.
type FeedbackSpec struct {
	Include  bool     `json:"include"`
	MaxAge   Duration `json:"max_age"`
	MaxShare float64  `json:"max_share"`
}

// How negative numbers are written.
const (
	NegativeMinus       = "minus"       // -12 alone: the default
	NegativeParentheses = "parentheses" // (12) too, as in accounts
)

// The ways to treat a row whose target is null.
const (
	NullTargetReject = "reject" // an error: the default
	NullTargetDrop   = "drop"   // left out, and counted as a warning
)

// SplitKind is how the first version of the base data is split.
type SplitKind string

// The splits.
const (
	SplitRandom     SplitKind = "random"
	SplitStratified SplitKind = "stratified"
	SplitGroup      SplitKind = "group"
	SplitTime       SplitKind = "time"
	SplitGiven      SplitKind = "given"
)

// Split says which rows are held out.
type Split struct {
	By     SplitKind `json:"by"`
	Test   float64   `json:"test"`             // share of the rows held out, 0 to 1
	Stream float64   `json:"stream"`           // share of the held-out rows that simulate may play, 0 to 1
	Seed   int64     `json:"seed"`             //
	Column string    `json:"column,omitempty"` // of group and time
	File   string    `json:"file,omitempty"`   // of given: CSV with the header "row", one 0-based row index of the test part a line
}

// Preprocess says how features are prepared, by type, then by column. auto, the
// default of impute, scale and encode, is what suits the candidate's algorithm:
// trees that take null and categories get both as they are, and nothing scaled;
// the others get the median or most frequent value, one_hot (target for categories
// of more than 50 values) and standard.
//
// What omitzero marks is shown among the defaults, but not hashed while it isn't
// used.
type Preprocess struct {
	Numeric     NumericPrep     `json:"numeric"`
	Categorical CategoricalPrep `json:"categorical"`
	Boolean     BooleanPrep     `json:"boolean,omitzero"`
	Date        DatePrep        `json:"date"`
	Columns     []ColumnPrep    `json:"columns,omitempty"` // in file order
}

// NumericPrep prepares numeric and integer columns.
type NumericPrep struct {
	Drop      bool        `json:"drop,omitzero"`       // not a feature of the model
	Impute    string      `json:"impute,omitempty"`    // auto | mean | median | most_frequent | constant | none
	Value     *float64    `json:"value,omitempty"`     // of constant
	Indicator bool        `json:"indicator,omitzero"`  // one more feature: was it null? Only where training rows were
	Clip      *[2]float64 `json:"clip,omitempty"`      // quantiles
	Transform string      `json:"transform,omitempty"` // none | log1p | log | sqrt | yeo_johnson | box_cox
	Scale     string      `json:"scale,omitempty"`     // auto | standard | robust | min_max | none
}

// CategoricalPrep prepares categorical columns.
type CategoricalPrep struct {
	Drop      bool    `json:"drop,omitzero"`
	Impute    string  `json:"impute,omitempty"` // auto | most_frequent | constant | none (null is a category of its own)
	Value     string  `json:"value,omitempty"`  // of constant
	Indicator bool    `json:"indicator,omitzero"`
	Encode    string  `json:"encode,omitempty"`   // auto | one_hot | ordinal | frequency | target | native (as it is, for trees that split categories)
	Smoothing float64 `json:"smoothing,omitzero"` // of target: the weight of the overall mean, in rows
}

// BooleanPrep prepares boolean columns.
type BooleanPrep struct {
	Drop      bool   `json:"drop,omitzero"`
	Impute    string `json:"impute,omitempty"` // auto | most_frequent | constant | none
	Value     *bool  `json:"value,omitempty"`  // of constant
	Indicator bool   `json:"indicator,omitzero"`
}

// DatePrep prepares date columns.
type DatePrep struct {
	Drop      bool     `json:"drop,omitzero"`
	Impute    string   `json:"impute,omitempty"` // auto | mean | median | most_frequent | constant | none
	Value     string   `json:"value,omitempty"`  // of constant, in the column's format
	Indicator bool     `json:"indicator,omitzero"`
	Parts     []string `json:"parts,omitempty"` // year month day weekday hour days
	Scale     string   `json:"scale,omitempty"` // auto | standard | robust | min_max | none
}

// ColumnPrep overrides the preparation of one column. What isn't set keeps the
// type's setting; each setting goes with the types that have it above.
type ColumnPrep struct {
	Name      string      `json:"name"`
	Drop      *bool       `json:"drop,omitempty"`
	Impute    string      `json:"impute,omitempty"`
	Value     any         `json:"value,omitempty"` // number, text or boolean
	Indicator *bool       `json:"indicator,omitempty"`
	Encode    string      `json:"encode,omitempty"`
	Smoothing *float64    `json:"smoothing,omitempty"`
	Clip      *[2]float64 `json:"clip,omitempty"`
	Transform string      `json:"transform,omitempty"`
	Parts     []string    `json:"parts,omitempty"`
	Scale     string      `json:"scale,omitempty"` // of a categorical column: with encode frequency or target
}

// Candidate is one algorithm with fixed parameters and a search space.
type Candidate struct {
	Algorithm string         `json:"algorithm"`
	Params    map[string]any `json:"params,omitempty"` // number, string or boolean
	Search    []SearchParam  `json:"search,omitempty"` // in file order
}

// SearchKind is how a parameter's range is sampled.
type SearchKind string

// The ranges.
const (
	SearchFloat  SearchKind = "float"
	SearchLog    SearchKind = "log"
	SearchInt    SearchKind = "int"
	SearchIntLog SearchKind = "int_log"
	SearchChoice SearchKind = "choice"
)

// SearchParam is the range of one parameter. Low and High are inclusive.
type SearchParam struct {
	Name    string     `json:"name"`
	Kind    SearchKind `json:"kind"`
	Low     float64    `json:"low,omitempty"`
	High    float64    `json:"high,omitempty"`
	Choices []any      `json:"choices,omitempty"`
}

// Tuning says how candidates are searched.
type Tuning struct {
	Strategy string   `json:"strategy"` // grid | random | tpe | asha
	Trials   int      `json:"trials"`   // of all candidates together
	MaxTime  Duration `json:"max_time"`
	Folds    int      `json:"folds"`
	Parallel int      `json:"parallel"` // trials at once; changes nothing but time
	Seed     int64    `json:"seed"`
}

// Select names the metric that chooses among trials; its direction belongs to
// the metric.
type Select struct {
	Metric string `json:"metric"`
}

// Threshold chooses the positive class's probability threshold.
type Threshold struct {
	Value    float64        `json:"value,omitempty"`
	Maximize string         `json:"maximize,omitempty"`
	Cost     *ThresholdCost `json:"cost,omitempty"`
}

// ThresholdCost weighs the two kinds of error.
type ThresholdCost struct {
	FalsePositive float64 `json:"false_positive"`
	FalseNegative float64 `json:"false_negative"`
}

// Gate is a condition that a fitted model must meet before it is registered.
// Exactly one of MinGain, MaxRegression, Min and Max is set.
type Gate struct {
	Metric        string   `json:"metric"`
	Versus        string   `json:"vs,omitempty"` // baseline | champion; empty with Min and Max
	MinGain       *float64 `json:"min_gain,omitempty"`
	MaxRegression *Limit   `json:"max_regression,omitempty"`
	Min           *float64 `json:"min,omitempty"`
	Max           *float64 `json:"max,omitempty"`
	Slice         string   `json:"slice,omitempty"` // the worst slice of this column counts
}

// RolloutSpec says how a new version takes over the traffic.
type RolloutSpec struct {
	Approval           string         `json:"approval"` // none | operator
	Shadow             ShadowSpec     `json:"shadow"`
	Steps              []int          `json:"steps"` // percent for the challenger; 100 follows
	MinRequests        int            `json:"min_requests"`
	Alpha              float64        `json:"alpha"`
	Guardrails         GuardrailsSpec `json:"guardrails"`
	Deadline           Duration       `json:"deadline"`
	OnInsufficientData string         `json:"on_insufficient_data"` // hold | promote | abort
	OnNewVersion       string         `json:"on_new_version"`       // restart | queue
	OnAliasChange      string         `json:"on_alias_change"`      // canary | promote | refuse
	Watch              WatchSpec      `json:"watch"`
}

// ShadowSpec says how many requests a challenger answers unseen first.
type ShadowSpec struct {
	MinRequests int `json:"min_requests"`
}

// GuardrailsSpec says what must not get worse during a rollout.
type GuardrailsSpec struct {
	ErrorRate  ErrorRateGuardrail `json:"error_rate"`
	LatencyP99 LatencyGuardrail   `json:"latency_p99"`
	Quality    QualityGuardrail   `json:"quality"`
}

// ErrorRateGuardrail bounds the absolute increase of the error rate.
type ErrorRateGuardrail struct {
	MaxIncrease float64 `json:"max_increase"`
}

// LatencyGuardrail is breached when both bounds are.
type LatencyGuardrail struct {
	MaxRatio    float64  `json:"max_ratio"`
	MinIncrease Duration `json:"min_increase"`
}

// QualityGuardrail bounds a metric on labelled predictions: absolute for
// classification, relative to the champion's for regression.
type QualityGuardrail struct {
	Metric string  `json:"metric"`
	Margin float64 `json:"margin"`
}

// WatchSpec says how long the old champion keeps a part of the traffic.
type WatchSpec struct {
	For      Duration `json:"for"`
	Holdback int      `json:"holdback"` // percent left on the old champion
}

// MonitorSpec says what is watched, and how often.
type MonitorSpec struct {
	Every       Duration        `json:"every"`
	Drift       DriftSpec       `json:"drift"`
	Performance PerformanceSpec `json:"performance"`
}

// DriftSpec says when inputs count as drifted.
type DriftSpec struct {
	MinUnits  int     `json:"min_units"`
	FDR       float64 `json:"fdr"`
	MinEffect float64 `json:"min_effect"`
	Persist   int     `json:"persist"`
}

// PerformanceSpec says when quality on labelled predictions counts as lost.
type PerformanceSpec struct {
	Window PerformanceWindow `json:"window"`
	Metric string            `json:"metric,omitempty"`
	Min    *float64          `json:"min,omitempty"`
	Max    *float64          `json:"max,omitempty"`
}

// PerformanceWindow is the size of a window in labels.
type PerformanceWindow struct {
	Labels int `json:"labels"`
}

// RetrainSpec says when the pipeline trains by itself.
type RetrainSpec struct {
	Schedule     string   `json:"schedule,omitempty"` // cron; empty: never
	Timezone     string   `json:"timezone"`
	On           []string `json:"on"` // drift | degradation | new_labels
	MinNewLabels int      `json:"min_new_labels"`
	Cooldown     Duration `json:"cooldown"`
	MaxPerDay    int      `json:"max_per_day"`
	DryRun       bool     `json:"dry_run"`
}

// LogSpec says what the prediction log keeps.
type LogSpec struct {
	Features  bool     `json:"features"`
	Retention Duration `json:"retention"`
}

// Budget is how much searching a training may do.
type Budget string

// The budgets.
const (
	BudgetFull      Budget = "full"      // the pipeline's tuning
	BudgetBootstrap Budget = "bootstrap" // each candidate's defaults, 3 folds, at most 10 s of fitting
)
