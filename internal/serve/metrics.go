package serve

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what the engine exports. Requests use handles that were resolved
// when their version was published, but for refused ones.
type metrics struct {
	predictions  *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	rejected     *prometheus.CounterVec
	info         *prometheus.GaugeVec
	epoch        *prometheus.GaugeVec
	loadFailures *prometheus.CounterVec
	unattended   *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	return &metrics{
		predictions: f.NewCounterVec(prometheus.CounterOpts{Name: "perennial_serve_predictions_total",
			Help: "Predicted rows by model, version, variant and status (ok, error)."}, []string{"model", "version", "variant", "status"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{Name: "perennial_serve_prediction_duration_seconds",
			Help:    "Time from a request to its answer inside the engine, one observation per attempt.",
			Buckets: prometheus.ExponentialBuckets(16e-6, 2, 18)}, []string{"model", "version"}), // 16 µs to 2.1 s
		rejected: f.NewCounterVec(prometheus.CounterOpts{Name: "perennial_serve_rejected_total",
			Help: "Requests that got an error instead of a prediction, by model (empty: unknown) and code."}, []string{"model", "code"}),
		info: f.NewGaugeVec(prometheus.GaugeOpts{Name: "perennial_serve_model_info",
			Help: "1 for each loaded version."}, []string{"model", "version", "algorithm"}),
		epoch: f.NewGaugeVec(prometheus.GaugeOpts{Name: "perennial_serve_traffic_epoch",
			Help: "Epoch of the traffic row in force in this process."}, []string{"model"}),
		loadFailures: f.NewCounterVec(prometheus.CounterOpts{Name: "perennial_serve_load_failures_total",
			Help: "Failed tries to put a traffic row in force."}, []string{"model"}),
		unattended: f.NewGaugeVec(prometheus.GaugeOpts{Name: "perennial_serve_rollout_unattended",
			Help: "1 where a rollout's lease ran out and everything goes to the champion."}, []string{"model"}),
	}
}

// published shows which versions are loaded and which row is in force.
func (m *metrics) published(old, next *served) {
	if old != nil {
		for _, s := range old.seats() {
			m.info.DeleteLabelValues(s.model, s.version.name, s.version.model.Algorithm())
		}
	}
	for _, s := range next.seats() {
		m.info.WithLabelValues(s.model, s.version.name, s.version.model.Algorithm()).Set(1)
	}
	unattended := 0.0
	if next.unattended {
		unattended = 1
	}
	m.unattended.WithLabelValues(next.row.Model).Set(unattended)
	m.epoch.WithLabelValues(next.row.Model).Set(float64(next.row.Epoch))
}
