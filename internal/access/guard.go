package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perennial-ml/perennial"
)

// How often the guard reads the tokens, which bounds how long a revoked one is
// taken, and how often it notes their use.
const (
	pollEvery = 500 * time.Millisecond
	noteEvery = time.Minute
)

// GuardOptions are what a Guard works with.
type GuardOptions struct {
	Store      *Store
	AdminToken string        // of PERENNIAL_ADMIN_TOKEN; "": none
	Poll       time.Duration // how often the tokens are read; 500 ms
	Now        func() time.Time
	Logger     *slog.Logger
}

// Guard tells who holds a token. It answers from memory and reads the table in
// the background, so that it costs a request one hash, and keeps the last good
// state while the database is down.
type Guard struct {
	o       GuardOptions
	own     []own
	reading sync.Mutex // one Reload at a time: an older state must not replace a newer one
	holders atomic.Pointer[map[[sha256.Size]byte]*holder]
	cancel  context.CancelFunc
	done    chan struct{}
}

// own is a token that is in no table: it is known to this process only.
type own struct {
	sum   [sha256.Size]byte
	actor perennial.Actor
}

// holder is one token in force.
type holder struct {
	id      string
	actor   perennial.Actor
	expires int64        // ms; 0: never
	used    atomic.Int64 // ms
	noted   int64        // the use that the table knows; only the poller's
}

// NewGuard makes a guard that lets nobody in before Start. What changes through
// its own store it knows at once, what other processes change at its next look.
func NewGuard(o GuardOptions) *Guard {
	if o.Poll <= 0 {
		o.Poll = pollEvery
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Guard{o: o}
	g.holders.Store(&map[[sha256.Size]byte]*holder{})
	o.Store.changed = g.changed
	if o.AdminToken != "" {
		g.own = append(g.own, own{sha256.Sum256([]byte(o.AdminToken)), perennial.Actor{Name: AdminName, Role: perennial.AccessAdmin}})
	}
	return g
}

// Issue makes a token of this process's own, for a part that asks the API as
// everyone does. It must be called before Start.
func (g *Guard) Issue(actor perennial.Actor) string {
	secret := newSecret()
	g.own = append(g.own, own{sha256.Sum256([]byte(secret)), actor})
	return secret
}

// Authenticate tells who holds a token. One that is unknown, revoked or expired
// is unauthorized; the error doesn't say which, nor repeats the token.
//
// It looks the token's hash up: what a comparison of hashes takes tells nothing
// of a token, since nobody can choose the hash of a guess.
func (g *Guard) Authenticate(token string) (perennial.Actor, error) {
	sum := sha256.Sum256([]byte(token))
	for _, o := range g.own {
		if subtle.ConstantTimeCompare(sum[:], o.sum[:]) == 1 {
			return o.actor, nil
		}
	}
	h, ok := (*g.holders.Load())[sum]
	now := g.o.Now().UnixMilli()
	if !ok || h.expires != 0 && h.expires <= now {
		return perennial.Actor{}, perennial.Errorf(perennial.CodeUnauthorized, "access.Authenticate", "This token is unknown, revoked or expired.").
			WithHint("Ask an administrator for a new one: perennial token create NAME --role ROLE.")
	}
	h.used.Store(now)
	return h.actor, nil
}

// Start reads the tokens once and then goes on in the background.
func (g *Guard) Start(ctx context.Context) error {
	if err := g.Reload(ctx); err != nil {
		return err
	}
	ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	g.done = make(chan struct{})
	go func() {
		defer close(g.done)
		g.follow(ctx)
	}()
	return nil
}

// Stop ends it and notes what was used last.
func (g *Guard) Stop(ctx context.Context) error {
	if g.cancel == nil {
		return nil
	}
	g.cancel()
	select {
	case <-g.done:
	case <-ctx.Done():
		return perennial.Wrap("access.Guard.Stop", ctx.Err())
	}
	return g.note(ctx)
}

func (g *Guard) follow(ctx context.Context) {
	tick := time.NewTicker(g.o.Poll)
	defer tick.Stop()
	noted, down := g.o.Now(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := g.Reload(ctx)
		if now := g.o.Now(); err == nil && now.Sub(noted) >= noteEvery {
			noted, err = now, g.note(ctx)
		}
		if ctx.Err() == nil && (err != nil) != down {
			down = err != nil
			g.report(err)
		}
	}
}

// report says once that the tokens can't be read, and once that they can again.
func (g *Guard) report(err error) {
	if err != nil {
		g.o.Logger.Warn("the tokens can't be read: those known go on, changes are not seen", "error", err)
		return
	}
	g.o.Logger.Info("the tokens can be read again")
}

// changed follows a change of a token before whoever made it is answered. Where
// that fails the next look makes up for it.
func (g *Guard) changed(ctx context.Context) {
	if g.cancel == nil {
		return
	}
	if err := g.Reload(ctx); err != nil {
		g.o.Logger.Warn("a changed token is not in force yet: the tokens can't be read", "error", err)
	}
}

// Reload reads the tokens now.
func (g *Guard) Reload(ctx context.Context) error {
	g.reading.Lock()
	defer g.reading.Unlock()
	rows, err := g.o.Store.inForce(ctx)
	if err != nil {
		return perennial.Wrap("access.Guard", err)
	}
	old := *g.holders.Load()
	next := make(map[[sha256.Size]byte]*holder, len(rows))
	for _, r := range rows {
		var sum [sha256.Size]byte
		if n, err := hex.Decode(sum[:], []byte(r.SHA256)); err != nil || n != len(sum) {
			continue // not written by us: nothing has this hash
		}
		h := old[sum]
		if h == nil || h.id != r.TokenID || string(h.actor.Role) != r.Role || h.expires != r.ExpiresAt {
			h = &holder{id: r.TokenID, actor: perennial.Actor{Name: r.Name, Role: perennial.AccessRole(r.Role)}, expires: r.ExpiresAt}
		}
		next[sum] = h
	}
	g.holders.Store(&next)
	return nil
}

// note writes when each token was used last, where that is news.
func (g *Guard) note(ctx context.Context) error {
	for _, h := range *g.holders.Load() {
		used := h.used.Load()
		if used <= h.noted {
			continue
		}
		if err := g.o.Store.used(ctx, h.id, used); err != nil {
			return err
		}
		h.noted = used
	}
	return nil
}
