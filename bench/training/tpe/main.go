// Command tpe runs Perennial's search against another program's test functions:
// bench/training/tpe.py gives it a search on standard input and answers each
// round of trials with their scores, lower being better.
//
//	→ {"tuning":{…},"candidates":[…]}   → [0.3, 0.1, …]
//	← [{"index":0,"candidate":0,"params":{…}}, …]
//
// One line each; the study ends with an empty list, and the next may follow.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tune"
)

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		if err := study(in, out); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func study(in *json.Decoder, out *json.Encoder) error {
	var asked struct {
		Tuning     perennial.Tuning      `json:"tuning"`
		Candidates []perennial.Candidate `json:"candidates"`
	}
	if err := in.Decode(&asked); err != nil {
		return err
	}
	search, err := tune.New(asked.Tuning, asked.Candidates, perennial.BudgetFull, false)
	if err != nil {
		return err
	}
	var results []tune.Result
	for n := 0; ; n++ {
		round, ok := search.Round(n, results)
		if !ok {
			return out.Encode([]tune.Trial{})
		}
		if err := out.Encode(round.Trials); err != nil {
			return err
		}
		var scores []float64
		if err := in.Decode(&scores); err != nil {
			return err
		}
		for i, t := range round.Trials {
			r := tune.Result{Trial: t}
			for range round.Folds { // the functions have no folds
				r.Scores = append(r.Scores, scores[i])
			}
			results = append(results, r)
		}
	}
}
