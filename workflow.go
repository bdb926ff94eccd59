package perennial

// WorkflowState is where a workflow stands.
type WorkflowState string

// The workflow states.
const (
	WorkflowRunning    WorkflowState = "running"
	WorkflowCompleted  WorkflowState = "completed"
	WorkflowFailed     WorkflowState = "failed"
	WorkflowCancelled  WorkflowState = "cancelled"
	WorkflowTerminated WorkflowState = "terminated"
	WorkflowTimedOut   WorkflowState = "timed_out"
)

// Terminal reports whether the workflow has ended.
func (s WorkflowState) Terminal() bool { return s != WorkflowRunning }

// RunStatus gives the state of the tracked run of a training in this state.
func (s WorkflowState) RunStatus() RunStatus {
	switch s {
	case WorkflowRunning:
		return RunRunning
	case WorkflowCompleted:
		return RunFinished
	case WorkflowCancelled, WorkflowTerminated:
		return RunKilled
	case WorkflowFailed, WorkflowTimedOut:
		return RunFailed
	}
	return RunFailed
}

// StageState is where one stage of a workflow stands.
type StageState string

// The stage states.
const (
	StagePending   StageState = "pending"
	StageRunning   StageState = "running"
	StageCompleted StageState = "completed"
	StageFailed    StageState = "failed"
	StageSkipped   StageState = "skipped"
)

// Stage is one stage of a workflow, in whole milliseconds because workflow code
// holds no floating-point arithmetic.
type Stage struct {
	Name   string     `json:"name"`
	State  StageState `json:"state"`
	Reused bool       `json:"reused,omitempty"`
	Millis int64      `json:"millis"`
}

// The stages of Train, in order.
const (
	StageResolve    = "resolve"    // pipeline, schema and data into one bundle
	StageValidate   = "validate"   // every row against the schema
	StagePreprocess = "preprocess" // row keys, sides, snapshot
	StageTune       = "tune"       // trials, cross-validated on the training side
	StageFit        = "fit"        // the best trial on the whole training side
	StageEvaluate   = "evaluate"   // the holdout, scored once
	StageGate       = "gate"       // good enough?
	StageRegister   = "register"   // a version in the registry
	StageServe      = "serve"      // in service where nothing was
)

// TrainStages lists the stages of Train in order.
func TrainStages() []string {
	return []string{StageResolve, StageValidate, StagePreprocess, StageTune, StageFit, StageEvaluate, StageGate, StageRegister, StageServe}
}

// The stages of Retrain, in order.
const (
	StageTrain = "train" // the training, whose stages are shown in its place
	StageOffer = "offer" // the version that came out of it is handed to its rollout
)

// RetrainStages lists the stages of Retrain in order.
func RetrainStages() []string { return []string{StageTrain, StageOffer} }

// The stages of Rollout, in order.
const (
	StagePrepare = "prepare" // every serving process loads the challenger
	StageCanary  = "canary"  // the challenger's share grows
	StageWatch   = "watch"   // it is the champion, the previous one keeps a part
)

// RolloutStages lists the stages of Rollout in order.
func RolloutStages() []string { return []string{StagePrepare, StageCanary, StageWatch} }

// ReproduceStages lists the stages of Reproduce in order.
func ReproduceStages() []string { return []string{StageResolve, StageFit} }

// Outcome is how a workflow ended when nothing failed.
type Outcome string

// The outcomes of Train.
const (
	OutcomeTrained         Outcome = "trained"
	OutcomeRejectedByGates Outcome = "rejected_by_gates"
)

// The outcomes of Retrain, besides those of Train.
const (
	OutcomeOffered            Outcome = "offered"             // Rollout accepted the version
	OutcomeUnchanged          Outcome = "unchanged"           // nothing that a training depends on has changed
	OutcomeWouldTrain         Outcome = "would_train"         // a dry run that found a reason to train
	OutcomeNoNewLabels        Outcome = "no_new_labels"       // drift, but nothing to learn from
	OutcomeAlreadyRunning     Outcome = "already_running"     // another training of the pipeline runs
	OutcomeCoolingDown        Outcome = "cooling_down"        // too soon after the last automatic one
	OutcomeOverBudget         Outcome = "over_budget"         // too many automatic ones today
	OutcomeIncompatibleSchema Outcome = "incompatible_schema" // it would refuse what the champion accepts
)

// The outcomes of Rollout.
const (
	OutcomePromoted   Outcome = "promoted"    // the challenger is the champion
	OutcomeRolledBack Outcome = "rolled_back" // a breach, or an operator's rollback
	OutcomeAborted    Outcome = "aborted"     // an operator, a cancel, or the deadline
	OutcomeSuperseded Outcome = "superseded"  // a newer version took its place
)

// The outcomes of Reproduce.
const (
	OutcomeSame            Outcome = "same"             // the very bytes came out again
	OutcomeDiffers         Outcome = "differs"          // they didn't, or what they were made of isn't there
	OutcomeNotReproducible Outcome = "not_reproducible" // the algorithm gives another model each time
)

// Ended reports whether a training that found this outcome is over before it
// trained anything.
func (o Outcome) Ended() bool {
	switch o {
	case OutcomeUnchanged, OutcomeWouldTrain, OutcomeNoNewLabels, OutcomeAlreadyRunning, OutcomeCoolingDown, OutcomeOverBudget:
		return true
	case OutcomeTrained, OutcomeRejectedByGates, OutcomeOffered, OutcomeIncompatibleSchema, OutcomePromoted, OutcomeRolledBack, OutcomeAborted, OutcomeSuperseded,
		OutcomeSame, OutcomeDiffers, OutcomeNotReproducible:
		return false
	}
	return false
}

// Trigger is what asked for a training.
type Trigger string

// The triggers.
const (
	TriggerManual      Trigger = "manual"
	TriggerSchedule    Trigger = "schedule"
	TriggerOutside     Trigger = "outside" // with Temporal's own tools
	TriggerBootstrap   Trigger = "bootstrap"
	TriggerDrift       Trigger = "drift"
	TriggerDegradation Trigger = "degradation"
	TriggerNewLabels   Trigger = "new_labels"
)

// Triggers lists every trigger.
func Triggers() []Trigger {
	return []Trigger{TriggerManual, TriggerSchedule, TriggerOutside, TriggerBootstrap, TriggerDrift, TriggerDegradation, TriggerNewLabels}
}

// Automatic reports whether nobody asked: cool-down and daily budget bind these
// triggers alone.
func (t Trigger) Automatic() bool {
	switch t {
	case TriggerDrift, TriggerDegradation, TriggerNewLabels:
		return true
	case TriggerManual, TriggerSchedule, TriggerOutside, TriggerBootstrap:
		return false
	}
	return false
}
