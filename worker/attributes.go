package worker

import (
	"context"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Attributes tells whether the Temporal server has our search attributes. A
// workflow that sets one which the server doesn't have gets stuck.
type Attributes interface {
	Known(ctx context.Context) bool
}

// changeAttributes gates the question, so that workflows from before it replay.
const changeAttributes = "all/2026-11-optional-search-attributes"

// attributed decides once in each workflow run, and for good, whether it sets
// search attributes: the answer is in its history.
type attributed struct {
	interceptor.WorkflowInboundInterceptorBase

	attributes Attributes
}

// Init puts the decision before what the workflow asks of Temporal.
func (a *attributed) Init(next interceptor.WorkflowOutboundInterceptor) error {
	out := &outbound{attributes: a.attributes}
	out.Next = next
	return a.Next.Init(out)
}

type outbound struct {
	interceptor.WorkflowOutboundInterceptorBase

	attributes    Attributes
	decided, omit bool
}

// omitted reports whether this run sets no search attributes.
func (o *outbound) omitted(ctx workflow.Context) (bool, error) {
	if o.decided {
		return o.omit, nil
	}
	if o.Next.GetVersion(ctx, changeAttributes, workflow.DefaultVersion, 1) != workflow.DefaultVersion {
		answer := o.Next.SideEffect(ctx, func(workflow.Context) any {
			return o.attributes != nil && !o.attributes.Known(context.Background()) // asked before polling began: no I/O
		})
		if err := answer.Get(&o.omit); err != nil {
			return false, err
		}
	}
	o.decided = true
	return o.omit, nil
}

// UpsertTypedSearchAttributes sets attributes where the server has them.
func (o *outbound) UpsertTypedSearchAttributes(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) error {
	if omit, err := o.omitted(ctx); err != nil || omit {
		return err
	}
	return o.Next.UpsertTypedSearchAttributes(ctx, updates...)
}

// ExecuteChildWorkflow starts a child with its attributes where the server has
// them.
func (o *outbound) ExecuteChildWorkflow(ctx workflow.Context, kind string, args ...any) workflow.ChildWorkflowFuture {
	options := workflow.GetChildWorkflowOptions(ctx)
	if omit, err := o.omitted(ctx); err == nil && omit {
		options.TypedSearchAttributes = temporal.SearchAttributes{}
		ctx = workflow.WithChildOptions(ctx, options)
	}
	return o.Next.ExecuteChildWorkflow(ctx, kind, args...)
}
