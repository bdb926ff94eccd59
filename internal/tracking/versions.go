package tracking

import (
	"strconv"
)

type versionRow struct {
	Name            string `gorm:"primaryKey"`
	Version         int64  `gorm:"primaryKey;autoIncrement:false"`
	RunID           string
	Source          string
	Status          string
	CreationTime    int64
	LastUpdatedTime int64
	Lineage         string
	Op              *string
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

// parseVersion reads a version's number as it is written: no sign, no zero in
// front.
func parseVersion(version string) (int64, error) {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != version {
		return 0, invalid("%q is no version: it is a number like 3", version)
	}
	return n, nil
}
