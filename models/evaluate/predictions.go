package evaluate

import (
	"bytes"
	"encoding/csv"
	"math"
	"slices"
	"strconv"

	"github.com/perennial-ml/perennial/stats"
)

// streamPredictions keeps the choice of rows apart from other random choices.
const streamPredictions = 0x63737600

// PredictionsCSV writes the truth and the prediction of at most so many of the
// rows, in their order, with the header actual,predicted: classes by name, numbers
// as short as they can be read back. Rows with a number that isn't finite are left
// out.
func PredictionsCSV(o Observed, classes []string, most int, seed int64) ([]byte, error) {
	rows := stats.NewRand(seed, streamPredictions).Perm(len(o.Y))
	rows = rows[:min(len(rows), most)]
	slices.Sort(rows)
	text := func(v float64) string {
		if i := int(v); o.Classes > 0 && i >= 0 && i < len(classes) {
			return classes[i]
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"actual", "predicted"}) // Error tells
	for _, i := range rows {
		if sum := o.Y[i] + o.Values[i]; math.IsNaN(sum) || math.IsInf(sum, 0) {
			continue
		}
		_ = w.Write([]string{text(o.Y[i]), text(o.Values[i])}) // Error tells
	}
	w.Flush()
	return b.Bytes(), w.Error()
}
