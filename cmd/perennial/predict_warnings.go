package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
)

// warnings counts what the model warned of.
type warnings struct {
	counts   map[warned]int
	unlisted int // more than a response names
}

// warned is what warnings are counted by.
type warned struct{ column, rule, message string }

// ruleMore is the rule of the warning that counts those that aren't listed.
const ruleMore = "more"

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// warn counts one warning of a request and puts it to its row.
func (p *predictor) warn(w perennial.FieldError, answers []answerRow, sent []int) {
	if n, ok := w.Came.(float64); ok && w.Rule == ruleMore {
		p.warnings.unlisted += int(n)
		return
	}
	place, ok := instanceOf(w.Path)
	if !ok || place >= len(sent) {
		return
	}
	_, column, _ := strings.Cut(strings.TrimPrefix(w.Path, "/instances/"), "/")
	w.Path = "/" + column
	a := &answers[sent[place]]
	a.Warnings = append(a.Warnings, w)
	if p.warnings.counts == nil {
		p.warnings.counts = map[warned]int{}
	}
	p.warnings.counts[warned{unescapePointer.Replace(column), w.Rule, w.Message}]++
}

// sayWarnings tells how many rows were warned of, by column and rule, those of
// most rows first.
func (p *predictor) sayWarnings() {
	all := slices.SortedFunc(maps.Keys(p.warnings.counts), func(a, b warned) int {
		return cmp.Or(cmp.Compare(p.warnings.counts[b], p.warnings.counts[a]), strings.Compare(a.column, b.column), strings.Compare(a.rule, b.rule), strings.Compare(a.message, b.message))
	})
	for i, w := range all {
		if i == maxReported {
			p.sayf("warning: %d more columns and rules", len(all)-i)
			break
		}
		p.sayf("warning: %s, %s: %s: %s", w.column, w.rule, counted(p.warnings.counts[w], "times"), w.message)
	}
	if p.warnings.unlisted > 0 {
		p.sayf("warning: %d more that the answers don't list", p.warnings.unlisted)
	}
}
