package perennial_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
)

func TestAHigherRoleHoldsTheLowerOnes(t *testing.T) {
	t.Parallel()
	roles := perennial.AccessRoles()
	require.Len(t, roles, 6)
	for i, have := range roles {
		for j, needed := range roles {
			require.Equal(t, i >= j, have.Holds(needed), "%s holds %s", have, needed)
		}
	}
	for _, r := range append(roles, "", "root") {
		require.False(t, r.Holds(""))
		require.False(t, r.Holds("root"))
		require.False(t, perennial.AccessRole("").Holds(r))
		require.False(t, perennial.AccessRole("root").Holds(r))
	}
}

func TestNobodyMayDoNothing(t *testing.T) {
	t.Parallel()
	require.Equal(t, perennial.Actor{}, perennial.ActorOf(context.Background()))
	ann := perennial.Actor{Name: "ann", Role: perennial.AccessReader, RequestID: "r"}
	require.Equal(t, ann, perennial.ActorOf(perennial.WithActor(context.Background(), ann)))
}

func TestTheHashOfAnAuditEntryCoversEveryField(t *testing.T) {
	t.Parallel()
	base := perennial.AuditEntry{
		Seq: 7, At: 1, Actor: "ann", Action: "train.start", Target: "iris", Before: json.RawMessage(`1`), After: json.RawMessage(`2`),
		Reason: "why", WorkflowID: "train:iris", RequestID: "r", Previous: "00",
	}
	// sha256 of "1:7\n1:1\n3:ann\n11:train.start\n4:iris\n1:1\n1:2\n3:why\n10:train:iris\n1:r\n2:00\n", by sha256sum.
	require.Equal(t, "f296ecdee217c90e284f4a69cdfc97cfda1a3c252499347c07ccc85f29ea0d02", base.Sum())
	seen := map[string]string{base.Sum(): "base"}
	for name, change := range map[string]func(*perennial.AuditEntry){
		"seq": func(e *perennial.AuditEntry) { e.Seq++ }, "at": func(e *perennial.AuditEntry) { e.At++ },
		"actor": func(e *perennial.AuditEntry) { e.Actor += "x" }, "action": func(e *perennial.AuditEntry) { e.Action += "x" },
		"target": func(e *perennial.AuditEntry) { e.Target += "x" }, "before": func(e *perennial.AuditEntry) { e.Before = nil },
		"after": func(e *perennial.AuditEntry) { e.After = nil }, "reason": func(e *perennial.AuditEntry) { e.Reason += "x" },
		"workflow": func(e *perennial.AuditEntry) { e.WorkflowID += "x" }, "request": func(e *perennial.AuditEntry) { e.RequestID += "x" },
		"previous":            func(e *perennial.AuditEntry) { e.Previous += "x" },
		"a letter moved over": func(e *perennial.AuditEntry) { e.Actor, e.Action = "annt", "rain.start" },
	} {
		changed := base
		change(&changed)
		require.NotContains(t, seen, changed.Sum(), name)
		seen[changed.Sum()] = name
	}
	hashed := base
	hashed.Hash = "anything"
	require.Equal(t, base.Sum(), hashed.Sum())
}
