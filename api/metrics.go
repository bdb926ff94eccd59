package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the API counts of itself. Routes are patterns, so the
// labels are bounded.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "perennial_api_requests_total",
			Help: "HTTP requests answered, by route, method and status.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "perennial_api_request_duration_seconds",
			Help:    "Time from the first byte handled to the answer, by route.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"route"}),
	}
	r.MustRegister(m.requests, m.duration)
	return m
}

// statusTexts spares formatting the usual statuses again and again.
var statusTexts = func() (t [600]string) {
	for i := range t {
		t[i] = strconv.Itoa(i)
	}
	return t
}()

func (m *metrics) observe(route, method string, status int, took time.Duration) {
	text := "0"
	if status >= 0 && status < len(statusTexts) {
		text = statusTexts[status]
	}
	m.requests.WithLabelValues(route, methodLabel(method), text).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

// methodLabel gives a constant for a method, so that the label neither points
// into a request's buffer nor takes any text that comes.
func methodLabel(method string) string {
	switch method {
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "PATCH":
		return "PATCH"
	case "DELETE":
		return "DELETE"
	case "HEAD":
		return "HEAD"
	case "OPTIONS":
		return "OPTIONS"
	default:
		return "other"
	}
}
