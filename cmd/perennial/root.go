package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/app"
	"github.com/perennial-ml/perennial/internal/client"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// cli is what every command shares: the root's flags and the streams.
type cli struct {
	streams
	json      bool
	api       string
	tokenFile string
	began     bool // a command's own work began: what goes wrong now is no wrong usage
}

// commands lists every command. The one that needs the embedded Temporal server
// comes from processes, which the build tag lean empties.
func (c *cli) commands() []*cobra.Command {
	list := []*cobra.Command{
		c.newInit(), c.newStatus(), c.newTrain(), c.newRetrain(), c.newPredict(),
		c.newRuns(), c.newRun(), c.newReproduce(), c.newModels(), c.newVersions(), c.newVersion(), c.newImport(), c.newHistory(),
		c.newRollout(), c.newRollback(), c.newFreeze(), c.newUnfreeze(),
		c.newPrediction(), c.newDecision(), c.newPipeline(), c.newWorkflow(), c.newSchedule(), c.newData(),
		c.newSimulate(), c.newStage(), c.newToken(), c.newAudit(), newAPICommand(), newWorkerCommand(),
	}
	return append(list, processes()...)
}

func (c *cli) newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "perennial",
		Short: "Keep a good model in production",
		Long: `Perennial keeps a good model in production: it versions the data, trains and compares models in durable
workflows, records every run and version, serves predictions and leads each one back to its data.

Start with: perennial up`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          showHelp,
	}
	flags := root.PersistentFlags()
	flags.BoolVar(&c.json, "json", false, "print JSON instead of tables")
	flags.StringVar(&c.api, "api", cmp.Or(os.Getenv("PERENNIAL_API"), client.DefaultURL), "address of the API (PERENNIAL_API)")
	flags.StringVar(&c.tokenFile, "token-file", os.Getenv("PERENNIAL_TOKEN_FILE"), "file that holds the access token (PERENNIAL_TOKEN_FILE)")
	root.AddCommand(c.commands()...)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	c.watch(root)
	return root
}

// watch marks when a command's own work begins, in every command below cmd.
func (c *cli) watch(cmd *cobra.Command) {
	if work := cmd.RunE; work != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if slices.Contains(args, "") {
				return usageError{"an argument is empty: " + cmd.UseLine()}
			}
			if n, err := cmd.Flags().GetInt("limit"); err == nil && n < 1 { // err: it has no such flag
				return usageError{fmt.Sprintf("--limit must be at least 1, not %d", n)}
			}
			c.began = true
			return work(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		c.watch(sub)
	}
}

// run executes one command line and gives the exit code.
func run(ctx context.Context, args []string, s streams) int {
	c := &cli{streams: s}
	root := c.newRoot() //nolint:contextcheck // a command takes its context when it runs
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	var wrong usageError
	switch {
	case errors.Is(err, errHelp):
		return exitUsage
	case errors.Is(err, errDetached):
		return exitFailed // how it came out is not known
	case errors.Is(err, errTold):
		return exitFailed
	case errors.As(err, &wrong), !c.began:
		c.printUsageError(cmd, err)
		return exitUsage
	}
	c.printError(err)
	if errors.Is(err, app.ErrNoAdmin) {
		return exitUsage
	}
	return exitFailed
}

// usageError is a fault of the command line that only the command itself sees.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

// errTold ends a command whose answer, printed already, is that it failed.
var errTold = errors.New("told")

// errHelp ends a command that showed its help because it can do nothing else.
var errHelp = errors.New("help shown")

// showHelp is the work of a command that only has subcommands.
func showHelp(cmd *cobra.Command, _ []string) error {
	if err := cmd.Help(); err != nil {
		return err
	}
	return errHelp
}

// group is a command that only has subcommands.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: showHelp, Example: examples(subs)}
	cmd.AddCommand(subs...)
	return cmd
}

func examples(subs []*cobra.Command) string {
	var lines []string
	for _, s := range subs {
		lines = append(lines, s.Example)
	}
	return strings.Join(lines, "\n")
}

// client gives the API's client.
func (c *cli) client() (*client.Client, error) {
	token := os.Getenv("PERENNIAL_TOKEN")
	if c.tokenFile != "" {
		b, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return nil, perennial.Errorf(perennial.CodeInvalid, "cli", "the token file %s can't be read", c.tokenFile).
				WithHint("Give a readable file with --token-file or PERENNIAL_TOKEN_FILE.").Because(err)
		}
		if token = strings.TrimSpace(string(b)); token == "" {
			return nil, perennial.Errorf(perennial.CodeInvalid, "cli", "the token file %s is empty", c.tokenFile).
				WithHint("Put a token into it: perennial token create NAME --role ROLE.")
		}
	}
	return client.New(c.api, token), nil
}
