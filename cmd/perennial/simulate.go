package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newSimulate() *cobra.Command {
	s := &simulation{senders: 16}
	cmd := &cobra.Command{
		Use:   "simulate MODEL",
		Short: "Play traffic: predictions of rows that no version was trained on",
		Long: `Play traffic: ask for predictions of the stream side of the model's data, one row after another and around again, at a
rate. No version was trained on these rows. The key of a prediction is the row's key and its unit is <key>#<pass>, so
that each pass is a new unit while its evidence stays tied to the row. It runs until --for is over or Ctrl-C.`,
		Example: "  perennial simulate california-housing --rate 50\n  perennial simulate iris --rate 200 --for 1m",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().Float64Var(&s.rate, "rate", 10, "requests a second")
	cmd.Flags().DurationVar(&s.length, "for", 0, "how long; 0 is until Ctrl-C")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if s.rate <= 0 || s.rate > maxRate || s.length < 0 {
			return usageError{fmt.Sprintf("--rate must be above 0 and at most %d, and --for no less than 0", maxRate)}
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		rows, err := streamRows(cmd.Context(), api, args[0])
		if err != nil {
			return err
		}
		// Where net/http opened a connection more than it needed, the server closes
		// it after a while with an answer, and net/http logs that nobody asked.
		log.SetOutput(io.Discard)
		s.model, s.api, s.rows = args[0], api, rows
		s.show = func(string) {}
		if f, ok := c.err.(interface{ Fd() uintptr }); ok && !c.json && term.IsTerminal(int(f.Fd())) {
			s.show = func(line string) { fmt.Fprintf(c.err, "\r%-78s", line) }
			defer fmt.Fprintln(c.err)
		}
		t := s.run(cmd.Context())
		return errors.Join(c.print(t.summary(args[0]), func(w io.Writer) { fmt.Fprintln(w, t.line()) }), t.failure())
	}
	return cmd
}

// maxRate is more than one command can send.
const maxRate = 100_000

// streamRows reads all stream rows of a model.
func streamRows(ctx context.Context, api *client.Client, model string) ([]client.StreamRow, error) {
	var rows []client.StreamRow
	page := client.Page{Limit: 10_000}
	for {
		list, err := api.Stream(ctx, model, page)
		if err != nil {
			return nil, err
		}
		rows = append(rows, list.Items...)
		if page.Token = list.NextPageToken; page.Token == "" {
			break
		}
	}
	if len(rows) == 0 {
		return nil, perennial.Errorf(perennial.CodePrecondition, "cli.simulate", "the data of %s has no stream rows", model).
			WithHint("Set split.stream in the pipeline file before the first training, as {stream: 0.5}.")
	}
	return rows, nil
}

// simulation sends rows at a rate.
type simulation struct {
	api     *client.Client
	model   string
	rows    []client.StreamRow
	rate    float64
	length  time.Duration
	senders int // requests at once
	show    func(line string)
}

// run plays until the time is over or ctx ends. Where the answers don't keep up
// with the rate, requests are sent as soon as a sender is free: none is skipped.
func (s *simulation) run(ctx context.Context) *tally {
	if s.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.length)
		defer cancel()
	}
	t := &tally{began: time.Now(), versions: map[string]int{}}
	turns := make(chan int)
	var senders sync.WaitGroup
	for range s.senders {
		senders.Go(func() {
			for turn := range turns {
				s.send(context.WithoutCancel(ctx), t, turn) // what was begun is answered
			}
		})
	}
	s.pace(ctx, t, turns)
	close(turns)
	senders.Wait()
	return t
}

// pace hands out turns: the n-th is due n/rate seconds after the start.
func (s *simulation) pace(ctx context.Context, t *tally, turns chan<- int) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for turn := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.show(t.line())
		case <-timer.C:
			select {
			case <-ctx.Done():
				return
			case turns <- turn:
			}
			turn++
			timer.Reset(time.Until(t.began.Add(time.Duration(float64(turn) / s.rate * float64(time.Second)))))
		}
	}
}

// requestTimeout is more than the API lets a request take.
const requestTimeout = 30 * time.Second

// send plays one turn: a row, and which pass over the rows it belongs to.
func (s *simulation) send(ctx context.Context, t *tally, turn int) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	row, pass := s.rows[turn%len(s.rows)], turn/len(s.rows)
	began := time.Now()
	answer, err := s.api.Predict(ctx, client.PredictRequest{
		Model: s.model, Key: row.Key, UnitID: fmt.Sprintf("%s#%d", row.Key, pass), Features: row.Features,
	})
	t.add(time.Since(began), answer.Version, string(answer.Variant), err)
}

// tally counts what was answered.
type tally struct {
	began time.Time

	mu       sync.Mutex
	sent     int
	errors   int
	last     error
	answered int
	took     [latencyBuckets]int // answered requests by bucketOf
	versions map[string]int
}

func (t *tally) add(took time.Duration, version, variant string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent++
	if err != nil {
		t.errors, t.last = t.errors+1, err
		return
	}
	t.answered++
	t.took[bucketOf(took)]++
	t.versions[version+" ("+variant+")"]++
}

// Latencies are counted in buckets, each 2 % wider than the one before, from 1 µs
// to more than the longest request: a percentile is right within 2 %.
const (
	latencyBuckets = 900
	bucketGrowth   = 1.02
)

func bucketOf(d time.Duration) int {
	micros := max(float64(d.Nanoseconds())/1000, 1)
	return min(int(math.Log(micros)/math.Log(bucketGrowth)), latencyBuckets-1)
}

// percentile gives the milliseconds within which a share of the answers came.
func (t *tally) percentile(share float64) float64 {
	left := share * float64(t.answered)
	for i, n := range t.took {
		if left -= float64(n); left <= 0 && t.answered > 0 {
			return math.Pow(bucketGrowth, float64(i)+0.5) / 1000
		}
	}
	return 0
}

// simulated is what simulate prints as JSON.
type simulated struct {
	Model    string         `json:"model"`
	Seconds  float64        `json:"seconds"`
	Requests int            `json:"requests"`
	Errors   int            `json:"errors"`
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
	Versions map[string]int `json:"versions"` // "version (variant)" → answers
}

func (t *tally) summary(model string) simulated {
	t.mu.Lock()
	defer t.mu.Unlock()
	return simulated{
		Model: model, Seconds: time.Since(t.began).Seconds(), Requests: t.sent, Errors: t.errors,
		P50: t.percentile(0.5), P99: t.percentile(0.99), Versions: maps.Clone(t.versions),
	}
}

// line is the same for people.
func (t *tally) line() string {
	v := t.summary("")
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(v.Versions)) {
		versions = append(versions, fmt.Sprintf("version %s %d", name, v.Versions[name]))
	}
	return fmt.Sprintf("%d requests, %d errors, %.0f/s, p50 %.1f ms, p99 %.1f ms; %s",
		v.Requests, v.Errors, float64(v.Requests)/max(v.Seconds, 1e-3), v.P50, v.P99, strings.Join(versions, ", "))
}

// failure is the last error where nothing was answered at all.
func (t *tally) failure() error {
	if t.answered == 0 {
		return t.last
	}
	return nil
}
