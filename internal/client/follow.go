package client

import (
	"context"
	"time"

	"github.com/perennial-ml/perennial"
)

// lostAfter is how many looks in a row may go unanswered before FollowWorkflow
// gives up: about half a minute, enough for a restart of the server.
const lostAfter = 120

// FollowWorkflow looks at a workflow until it has ended, hands every state that
// it sees to f (which may be nil) and gives the last. It looks again over a
// server that restarts, and ends with ctx's error without touching the
// workflow. Run "" follows the run that is the latest now.
func (c *Client) FollowWorkflow(ctx context.Context, id, run string, f func(WorkflowView)) (WorkflowView, error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	unanswered := 0
	for {
		select {
		case <-ctx.Done():
			return WorkflowView{}, perennial.Wrap("client.FollowWorkflow", ctx.Err())
		case <-timer.C:
		}
		view, err := c.Workflow(ctx, id, run)
		switch {
		case err == nil:
			unanswered = 0
			run = view.WorkflowRunID
			if f != nil {
				f(view)
			}
			if view.State.Terminal() {
				return view, nil
			}
		case ctx.Err() != nil:
			return WorkflowView{}, perennial.Wrap("client.FollowWorkflow", ctx.Err())
		case !passing(perennial.CodeOf(err)):
			return WorkflowView{}, err
		default:
			if unanswered++; unanswered > lostAfter {
				return WorkflowView{}, err
			}
		}
		timer.Reset(c.Poll)
	}
}

// passing reports whether a fault may be gone at the next look.
func passing(code perennial.Code) bool {
	switch code {
	case perennial.CodeUnavailable, perennial.CodeDeadline, perennial.CodeRateLimited, perennial.CodeNotYet:
		return true
	default:
		return false
	}
}
