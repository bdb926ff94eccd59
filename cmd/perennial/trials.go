package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// The states of a trial that are shown in another way.
const (
	trialProposed = "proposed"
	trialPartial  = "partial"
	trialStopped  = "stopped"
	trialFailed   = "failed"
)

// trialText tells of one trial in a line, and whether it is the best so far.
func trialText(t client.TrialView, p *client.Progress, leads bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "trial %d of %d: %s ", t.Trial, p.Total, t.Algorithm)
	if t.State == trialFailed {
		fmt.Fprintf(&b, "failed: %s", t.Error)
	} else {
		name, folds := "score", "folds"
		if p.Best != nil {
			name = p.Best.Metric
		}
		if len(t.Scores) == 1 {
			folds = "fold"
		}
		switch t.State {
		case trialPartial:
			folds += " so far"
		case trialStopped:
			folds += ", stopped"
		}
		fmt.Fprintf(&b, "%s %s (%d %s, %.1f s)", name, number(t.Score), len(t.Scores), folds, t.Seconds)
	}
	if params := paramsText(t.Params); params != "" {
		b.WriteString(" " + params)
	}
	if leads {
		b.WriteString("; the best so far")
	}
	return b.String()
}

// paramsText shows parameters as "a=1 b=2", numbers with four digits.
func paramsText(raw json.RawMessage) string {
	var params map[string]any
	if json.NewDecoder(bytes.NewReader(raw)).Decode(&params) != nil {
		return ""
	}
	return pairs(params, func(v any) string {
		if n, ok := v.(float64); ok {
			return number(&n)
		}
		return fmt.Sprint(v)
	})
}

// showTrials lists what was tried in a training, in the order of proposal.
func showTrials(w io.Writer, r client.RunView) {
	if len(r.Trials) == 0 {
		return
	}
	row(w)
	if cut := r.Tags[perennial.TagTruncated]; cut != "" {
		row(w, "The search was cut by its time limit: "+cut+".")
	}
	row(w, "TRIAL", "ALGORITHM", "STATE", "CV SCORE", "FOLD SCORES", "SECONDS", "PARAMETERS")
	for _, t := range r.Trials {
		score := "-"
		if t.Score != nil {
			score = number(t.Score)
		}
		row(w, t.Trial, t.Algorithm, t.State, score, dash(foldsText(t.Scores)), fmt.Sprintf("%.2f", t.Seconds), cmp.Or(t.Error, paramsText(t.Params)))
	}
}

// foldsText lists a trial's scores, one per fold.
func foldsText(scores []*float64) string {
	parts := make([]string, len(scores))
	for i, s := range scores {
		parts[i] = number(s)
	}
	return strings.Join(parts, " ")
}
