package tracking

type versionRow struct {
	Name            string `gorm:"primaryKey"`
	Version         int64  `gorm:"primaryKey;autoIncrement:false"`
	RunID           string
	Source          string
	Status          string
	CreationTime    int64
	LastUpdatedTime int64
	Description     string
	RunLink         string
	CurrentStage    string
	StorageLocation string
	ModelID         string
}

func (versionRow) TableName() string { return "model_versions" }

type versionTagRow struct {
	Name    string `gorm:"primaryKey"`
	Version int64  `gorm:"primaryKey;autoIncrement:false"`
	Key     string `gorm:"primaryKey"`
	Value   string
}

func (versionTagRow) TableName() string { return "model_version_tags" }
