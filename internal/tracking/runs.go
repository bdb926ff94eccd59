package tracking

type runRow struct {
	RunID          string `gorm:"primaryKey"`
	ExperimentID   string
	Name           string
	UserID         string
	Status         string
	StartTime      int64
	EndTime        *int64
	ArtifactURI    string
	LifecycleStage string
	Op             *string
}

func (runRow) TableName() string { return "runs" }
