package control

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	temporalclient "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/perennial-ml/perennial/workflows"
)

// Attributes knows whether the Temporal server has our search attributes. It
// adds them where they are missing and it may; where it may not, workflows run
// without them and are found by id and memo. It is safe for concurrent use. A nil
// one says that they are there.
type Attributes struct {
	temporal  temporalclient.Client
	namespace string
	log       *slog.Logger

	mu      sync.Mutex
	decided bool
	refused bool
}

// NewAttributes asks nothing yet.
func NewAttributes(t temporalclient.Client, namespace string, log *slog.Logger) *Attributes {
	return &Attributes{temporal: t, namespace: namespace, log: log}
}

// attributesTimeout bounds one question to the server.
const attributesTimeout = 5 * time.Second

// Known reports whether workflows may carry search attributes. The server is
// asked once; while it can't be reached the answer is yes, and the next call
// asks again.
func (a *Attributes) Known(ctx context.Context) bool {
	if a == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.decided {
		return !a.refused
	}
	ctx, cancel := context.WithTimeout(ctx, attributesTimeout)
	defer cancel()
	err := a.ensure(ctx)
	if unreachable(err) {
		return true
	}
	a.decided, a.refused = true, err != nil
	if a.refused {
		a.log.Warn("Temporal refuses our search attributes: workflows run without them; ask its operator to add them as keywords", "attributes", AttributeNames(), "error", err)
	}
	return !a.refused
}

// Typed gives the attributes of a workflow to start: none where the server
// doesn't have them.
func (a *Attributes) Typed(ctx context.Context, updates ...temporal.SearchAttributeUpdate) temporal.SearchAttributes {
	if !a.Known(ctx) {
		return temporal.SearchAttributes{}
	}
	return temporal.NewSearchAttributes(updates...)
}

// ensure adds the attributes that are missing.
func (a *Attributes) ensure(ctx context.Context) error {
	operator := a.temporal.OperatorService()
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: a.namespace})
	if err != nil {
		return err
	}
	missing := map[string]enumspb.IndexedValueType{}
	for _, name := range AttributeNames() {
		if _, ok := have.GetCustomAttributes()[name]; !ok {
			missing[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: a.namespace, SearchAttributes: missing})
	if err != nil && strings.Contains(err.Error(), "already exists") {
		return nil // another process was faster
	}
	return err
}

// unreachable tells a server that doesn't answer from one that says no.
func unreachable(err error) bool {
	var down *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	return errors.As(err, &down) || errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// AttributeNames lists the search attributes.
func AttributeNames() []string {
	return []string{
		workflows.AttrPipeline.GetName(), workflows.AttrModel.GetName(), workflows.AttrVersion.GetName(),
		workflows.AttrDataHash.GetName(), workflows.AttrPhase.GetName(), workflows.AttrDecision.GetName(),
	}
}
