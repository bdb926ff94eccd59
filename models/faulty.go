//go:build testmodels

package models

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/perennial-ml/perennial"
)

// faulty is a ridge regression that breaks in service: from some time after its
// file was read on, its answers are no numbers. Rollouts are tested with it, in a
// program built with -tags testmodels; it is in no other.
var faulty = entry{
	Algorithm: Algorithm{
		Name: "faulty", Tasks: []perennial.Task{perennial.Regression}, Doc: "A ridge regression that breaks in service. For tests.",
		Params: []Param{
			{Name: "after", Kind: ParamInt, Default: 2000, Min: 0, Max: 1e9, Doc: "From how many milliseconds after it was read on it has its fault."},
			{Name: "delay", Kind: ParamInt, Default: 0, Min: 0, Max: 60_000, Doc: "Milliseconds that an answer then takes; 0 for an answer that is no number."},
		},
	},
	fit: func(ctx context.Context, p Params, t Training) (Fitted, error) {
		inner, err := ridge.fit(ctx, Params{"alpha": 1.0}, t)
		return Fitted{Predictor: &faultyPredictor{inner: inner.Predictor, after: p.Int("after"), delay: p.Int("delay"), read: time.Now().Add(24 * time.Hour)}}, err
	},
	decode: func(b []byte, width, outputs int) (Predictor, error) {
		if len(b) < 16 {
			return nil, perennial.Errorf(perennial.CodeMalformed, "models.faulty", "the file is too short")
		}
		inner, err := ridge.decode(b[16:], width, outputs)
		after, delay := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
		return &faultyPredictor{inner: inner, after: int(after), delay: int(delay), read: time.Now()}, err
	},
}

func init() { //nolint:gochecknoinits // it is added to this build alone
	registry = append(registry, faulty)
}

type faultyPredictor struct {
	inner        Predictor
	after, delay int // ms
	read         time.Time
}

// Predict answers like the ridge regression until it breaks.
func (f *faultyPredictor) Predict(x, out []float64) {
	f.inner.Predict(x, out)
	if time.Since(f.read).Milliseconds() < int64(f.after) {
		return
	}
	if f.delay > 0 {
		<-time.After(time.Duration(f.delay) * time.Millisecond)
		return
	}
	out[0] = math.NaN()
}

// Encode puts the two settings before the ridge regression's bytes.
func (f *faultyPredictor) Encode() ([]byte, error) {
	b, err := f.inner.Encode()
	head := make([]byte, 16)
	binary.BigEndian.PutUint64(head, uint64(f.after))     //nolint:gosec // at least 0
	binary.BigEndian.PutUint64(head[8:], uint64(f.delay)) //nolint:gosec // at least 0
	return append(head, b...), err
}
