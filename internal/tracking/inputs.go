package tracking

type inputRow struct {
	RunID   string `gorm:"primaryKey"`
	Name    string `gorm:"primaryKey"`
	Digest  string `gorm:"primaryKey"`
	Context string `gorm:"primaryKey"`
	Data    string // JSON of perennial.DataRef, "" of an input that came through MLflow's REST
	Tags    string // JSON of the tags besides the context; "" for none
}

func (inputRow) TableName() string { return "inputs" }
