package serve

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/perennial-ml/perennial"
)

// snapshot is everything a request needs to know, immutable once published.
type snapshot struct {
	models map[string]*served
	synced bool // the traffic rows have been read once
	ready  bool // and once every model that should be in service could answer
}

// served is one model under one traffic row.
type served struct {
	row        perennial.Traffic
	champion   *seat // nil where no version could be loaded, or the mode is none
	challenger *seat
	previous   *seat

	wanted perennial.Traffic // the row that was asked for last; row, unless err is set
	err    error             // why wanted isn't in force, or not in full
	failed string            // the version that err is about

	unattended bool // the rollout's lease ran out: the champion answers everything
}

// seat is a loaded version in a role, with what belongs to both.
type seat struct {
	version *version
	variant perennial.Variant
	model   string
	head    []byte // "model":…,"version":…,"variant":… of an answer
	ok      prometheus.Counter
	errors  prometheus.Counter
	failing sync.Once // logs the first failed prediction
}

// The values of a prediction's status.
const (
	statusOK    = "ok"
	statusError = "error"
)

func (e *Engine) newSeat(model string, v *version, variant perennial.Variant) *seat {
	return &seat{
		version: v, variant: variant, model: model,
		head:   fmt.Appendf(nil, `"model":%s,"version":%s,"variant":%s`, quote(model), quote(v.name), quote(string(variant))),
		ok:     e.metrics.predictions.WithLabelValues(model, v.name, string(variant), statusOK),
		errors: e.metrics.predictions.WithLabelValues(model, v.name, string(variant), statusError),
	}
}

// observe counts an attempt at n rows.
func (s *seat) observe(a *attempt, n int) {
	s.version.duration.Observe(a.latency.Seconds())
	if a.failed {
		s.errors.Add(float64(n))
		return
	}
	s.ok.Add(float64(n))
}

// assign says who answers a unit, and its bucket, -1 where the champion answers
// everything: because of the mode, because nobody attends to the rollout, or
// because not everything that the row names could be loaded.
func (m *served) assign(unit string) (*seat, int) {
	var inside, outside *seat
	if m.unattended || m.err != nil {
		return m.champion, -1
	}
	switch m.row.Mode {
	case perennial.ModeCanary, perennial.ModeAB:
		inside, outside = m.challenger, m.champion
	case perennial.ModeWatch:
		inside, outside = m.champion, m.previous
	case perennial.ModeNone, perennial.ModeServing, perennial.ModeShadow:
		return m.champion, -1
	}
	bucket := perennial.Bucket(m.row.Salt, unit)
	chosen := outside
	if bucket < m.row.WeightBP {
		chosen = inside
	}
	if chosen == nil {
		chosen = m.champion
	}
	return chosen, bucket
}

// seats lists the loaded versions.
func (m *served) seats() []*seat {
	all := []*seat{m.champion, m.challenger, m.previous}
	return slices.DeleteFunc(all, func(s *seat) bool { return s == nil })
}

// ModelState is how one model stands in this process.
type ModelState struct {
	Traffic  perennial.Traffic `json:"traffic"` // in force here
	Versions []VersionState    `json:"versions"`
	Wanted   int64             `json:"wanted_epoch"`    // of the row that was read last
	Error    string            `json:"error,omitempty"` // why that row isn't in force, for people

	// Unattended: nobody has attended to the rollout for longer than the lease,
	// and the champion answers everything until somebody does.
	Unattended bool `json:"unattended,omitempty"`
}

// VersionState is one loaded version.
type VersionState struct {
	Version   string            `json:"version"`
	Variant   perennial.Variant `json:"variant"`
	Algorithm string            `json:"algorithm"`
	SHA256    string            `json:"model_sha256"`
}

// Models tells how every model of the last state stands here, by name.
func (e *Engine) Models() []ModelState {
	s := e.state.Load()
	out := make([]ModelState, 0, len(s.models))
	for _, name := range slices.Sorted(maps.Keys(s.models)) {
		m := s.models[name]
		st := ModelState{Traffic: m.row, Versions: []VersionState{}, Wanted: m.wanted.Epoch, Unattended: m.unattended}
		for _, seat := range m.seats() {
			st.Versions = append(st.Versions, VersionState{seat.version.name, seat.variant, seat.version.model.Algorithm(), seat.version.sha256})
		}
		if m.err != nil {
			st.Error, _, _ = perennial.Explain(m.err)
		}
		out = append(out, st)
	}
	return out
}

// Schema gives the champion's schema, the model's public contract. It must not
// be changed. Codes: not_found, unavailable.
func (e *Engine) Schema(model string) (*perennial.Schema, error) {
	m, err := e.serving(model)
	if err != nil {
		return nil, err
	}
	return m.champion.version.schema, nil
}

// Ready reports whether the traffic rows have been read and every model that
// should be in service could answer once. No models at all is ready. What comes
// later changes nothing, neither a database that fails nor a model that is put
// into service and isn't loaded yet: the others' requests belong here.
func (e *Engine) Ready() bool { return e.state.Load().ready }

// put publishes a state.
func (e *Engine) put(s *snapshot) {
	s.ready = e.state.Load().ready || s.synced && s.whole()
	e.state.Store(s)
}

// whole reports whether every model that should be in service can answer.
func (s *snapshot) whole() bool {
	for _, m := range s.models {
		if m.champion == nil && m.wanted.Mode != perennial.ModeNone {
			return false
		}
	}
	return true
}

// sameRow reports whether two rows ask for the same, whoever attends to them.
func sameRow(a, b perennial.Traffic) bool {
	a.LeaseSeq, b.LeaseSeq = 0, 0
	return a == b
}

// retry is when a row that couldn't be put in force is tried again.
type retry struct {
	at   time.Time
	wait time.Duration
}
