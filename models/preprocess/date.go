package preprocess

import (
	"math"
	"time"
)

const secondsPerDay = 86400

// dateParts writes the parts of a date given in days since 1970-01-01 UTC:
// weekday is 0 for Monday, month 1 to 12, days the number itself. The parts of
// null are NaN.
func dateParts(days float64, parts []string, out []float64) {
	t := time.Unix(int64(math.Round(days*secondsPerDay)), 0).UTC()
	for i, p := range parts {
		switch {
		case math.IsNaN(days):
			out[i] = days
		case p == "year":
			out[i] = float64(t.Year())
		case p == "month":
			out[i] = float64(t.Month())
		case p == "day":
			out[i] = float64(t.Day())
		case p == "weekday":
			out[i] = float64((int(t.Weekday()) + 6) % 7)
		case p == "hour":
			out[i] = float64(t.Hour())
		default:
			out[i] = days
		}
	}
}
