package serve_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/serve"
)

type nowhere struct{}

func (nowhere) Append(perennial.Prediction) bool { return true }

// BenchmarkPredict measures one live request from body to answer without the
// prediction log. What it allocates is the answer and the log row: id, labels,
// features, probabilities.
func BenchmarkPredict(b *testing.B) {
	for name, body := range map[string]string{
		"classification": request(row(nil)),
		"regression":     `{"model":"house","features":{"rooms":4.25,"age":0.276}}`,
	} {
		b.Run(name, func(b *testing.B) {
			w := newWorld()
			o := w.options()
			o.Log = nowhere{}
			e := serve.New(o)
			require.NoError(b, e.Start(b.Context()))
			defer func() { require.NoError(b, e.Stop(b.Context())) }()
			request := []byte(body)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Predict(b.Context(), request, perennial.KindLive); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
