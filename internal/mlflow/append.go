package mlflow

import (
	"encoding/json"
	"slices"
	"strconv"
)

// The long answers write their own JSON: a page of runs has thousands of small
// objects, a history tens of thousands.

// AppendJSON appends the answer's JSON form.
func (m *Metrics) AppendJSON(b []byte) []byte {
	w := writer{b: append(b, '{')}
	if len(m.Metrics) > 0 {
		w.key("metrics")
		w.metrics(m.Metrics)
	}
	if m.NextPageToken != "" {
		w.text("next_page_token", m.NextPageToken)
	}
	return append(w.b, '}')
}

// AppendJSON appends the answer's JSON form.
func (r *Runs) AppendJSON(b []byte) []byte {
	w := writer{b: append(slices.Grow(b, r.size()), '{')}
	if len(r.Runs) > 0 {
		w.key("runs")
		w.b = append(w.b, '[')
		for i := range r.Runs {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.run(&r.Runs[i])
		}
		w.b = append(w.b, ']')
	}
	if r.NextPageToken != "" {
		w.text("next_page_token", r.NextPageToken)
	}
	return append(w.b, '}')
}

// size is about as many bytes as the JSON form has.
func (r *Runs) size() int {
	n := 100
	for i := range r.Runs {
		d := &r.Runs[i].Data
		n += 500 + 100*len(d.Metrics)
		for _, list := range [][]Tag{d.Params, d.Tags} {
			for _, t := range list {
				n += 30 + len(t.Key) + len(t.Value)
			}
		}
	}
	return n
}

// AppendJSON appends the answer's JSON form.
func (r *RunAnswer) AppendJSON(b []byte) []byte {
	w := writer{b: append(b, '{')}
	w.key("run")
	w.run(&r.Run)
	return append(w.b, '}')
}

// writer appends JSON objects.
type writer struct{ b []byte }

// key begins a field.
func (w *writer) key(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) text(name, value string) {
	w.key(name)
	w.b = appendString(w.b, value)
}

func (w *writer) optional(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *writer) whole(name string, value Int) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, int64(value), 10)
}

func (w *writer) metrics(list []Metric) {
	w.b = append(w.b, '[')
	for i := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		m := &list[i]
		w.b = append(w.b, '{')
		w.text("key", m.Key)
		w.key("value")
		w.b = m.Value.AppendJSON(w.b)
		w.whole("timestamp", m.Timestamp)
		w.whole("step", m.Step)
		w.optional("model_id", m.ModelID)
		w.optional("dataset_name", m.DatasetName)
		w.optional("dataset_digest", m.DatasetDigest)
		w.optional("run_id", m.RunID)
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
}

func (w *writer) tags(name string, list []Tag) {
	if len(list) == 0 {
		return
	}
	w.key(name)
	w.b = append(w.b, '[')
	for i := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '{')
		w.text("key", list[i].Key)
		w.text("value", list[i].Value)
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
}

func (w *writer) run(r *Run) {
	w.b = append(w.b, '{')
	w.key("info")
	w.info(&r.Info)
	w.key("data")
	w.b = append(w.b, '{')
	if len(r.Data.Metrics) > 0 {
		w.key("metrics")
		w.metrics(r.Data.Metrics)
	}
	w.tags("params", r.Data.Params)
	w.tags("tags", r.Data.Tags)
	w.b = append(w.b, '}')
	w.other("inputs", len(r.Inputs.DatasetInputs)+len(r.Inputs.ModelInputs), &r.Inputs)
	w.other("outputs", len(r.Outputs.ModelOutputs), &r.Outputs)
	w.b = append(w.b, '}')
}

func (w *writer) info(i *RunInfo) {
	w.b = append(w.b, '{')
	w.text("run_uuid", i.RunUUID)
	w.text("experiment_id", i.ExperimentID)
	w.text("run_name", i.RunName)
	w.text("user_id", i.UserID)
	w.text("status", i.Status)
	w.whole("start_time", i.StartTime)
	if i.EndTime != nil {
		w.whole("end_time", *i.EndTime)
	}
	w.text("artifact_uri", i.ArtifactURI)
	w.text("lifecycle_stage", i.LifecycleStage)
	w.text("run_id", i.RunID)
	w.b = append(w.b, '}')
}

// other writes what few runs have.
func (w *writer) other(name string, entries int, value any) {
	w.key(name)
	if entries > 0 {
		if b, err := json.Marshal(value); err == nil { // texts and whole numbers
			w.b = append(w.b, b...)
			return
		}
	}
	w.b = append(w.b, '{', '}')
}

// appendString appends a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // never of a string
				return append(b, '"', '"')
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
