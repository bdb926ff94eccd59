package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newPrediction() *cobra.Command {
	return group("prediction", "Look at logged predictions", c.newPredictionShow(), c.newPredictionList())
}

func (c *cli) newPredictionShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Lead a prediction back to its version, run, data and parameters",
		Example: "  perennial prediction show 019a8f3e-0000-7000-8000-000000000000",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			p, err := api.Prediction(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.print(p, func(w io.Writer) { showPrediction(w, p) })
		},
	}
}

func (c *cli) newPredictionList() *cobra.Command {
	var page client.Page
	cmd := &cobra.Command{
		Use:     "list MODEL",
		Short:   "List a model's logged predictions, newest first",
		Example: "  perennial prediction list iris --limit 10",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			list, err := api.Predictions(cmd.Context(), args[0], page)
			if err != nil {
				return err
			}
			if len(list.Items) == 0 { // none yet, or no such model
				if _, err := api.Model(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			err = c.print(list, func(w io.Writer) {
				row(w, "PREDICTION", "AT", "VERSION", "VARIANT", "ANSWER", "KEY", "MICROSECONDS")
				for _, p := range list.Items {
					row(w, p.PredictionID, when(p.At), p.Version, p.Variant, answerText(p.Prediction), dash(p.Key), fmt.Sprintf("%.0f", p.LatencyMicros))
				}
			})
			if err == nil && list.NextPageToken != "" && !c.json {
				c.sayf("More: --page-token %s", list.NextPageToken)
			}
			return err
		},
	}
	cmd.Flags().IntVar(&page.Limit, "limit", 50, "how many predictions")
	cmd.Flags().StringVar(&page.Token, "page-token", "", "where the page before ended")
	return cmd
}

func showPrediction(w io.Writer, p client.PredictionView) {
	field(w, "prediction", p.PredictionID)
	field(w, "answer", answerText(p.Prediction))
	field(w, "probabilities", pairs(p.Probabilities, func(v float64) string { return number(&v) }))
	field(w, "model", p.Model)
	field(w, "version", fmt.Sprintf("%s (%s)", p.Version, p.Variant))
	field(w, "kind", p.Kind)
	field(w, "status", p.Status)
	field(w, "unit", p.UnitID)
	field(w, "key", p.Key)
	field(w, "at", when(p.At))
	field(w, "took", fmt.Sprintf("%.0f µs", p.LatencyMicros))
	if b, err := json.Marshal(p.Features); err == nil {
		field(w, "features", string(b))
	}
	field(w, "not logged", joined(p.Redacted))
	if l := p.Lineage; l != nil {
		showLineage(w, l)
		field(w, "traffic epoch", l.Rollout.Epoch)
		field(w, "decision", l.Rollout.DecisionID)
	}
}

// answerText shows a class, a number, or "-" for an attempt that failed.
func answerText(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case float64:
		return fmt.Sprintf("%g", v)
	default:
		return fmt.Sprint(v)
	}
}
