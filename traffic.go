package perennial

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Mode is what a model's traffic row says about who answers.
type Mode string

// The modes.
const (
	ModeNone    Mode = "none"    // nothing is in service
	ModeServing Mode = "serving" // the champion answers everything
	ModeShadow  Mode = "shadow"  // the champion answers, the challenger works unseen
	ModeCanary  Mode = "canary"  // the challenger answers a growing share
	ModeAB      Mode = "ab"      // two versions share the traffic for a test
	ModeWatch   Mode = "watch"   // a new champion answers, a holdback stays with the previous one
)

// transitions lists what may follow each mode. Everything else is a conflict.
var transitions = map[Mode][]Mode{
	ModeNone:    {ModeServing},
	ModeServing: {ModeServing, ModeShadow, ModeCanary, ModeAB},
	ModeShadow:  {ModeShadow, ModeCanary, ModeServing},
	ModeCanary:  {ModeCanary, ModeWatch, ModeServing},
	ModeAB:      {ModeAB, ModeServing},
	ModeWatch:   {ModeWatch, ModeServing, ModeShadow, ModeCanary},
}

// MayFollow reports whether a row in mode from may become one in mode to.
func MayFollow(from, to Mode) bool { return slices.Contains(transitions[from], to) }

// Traffic is the one truth about who answers a model's requests. Every write is
// a compare-and-swap on Epoch and carries an OpID, so that a repeated write
// succeeds without a second effect. Registry aliases are its projection.
type Traffic struct {
	Model      string `json:"model"`
	Mode       Mode   `json:"mode"`
	Champion   string `json:"champion"`
	Previous   string `json:"previous,omitempty"`
	Challenger string `json:"challenger,omitempty"`
	WeightBP   int    `json:"weight_bp"` // basis points for the challenger, 0 to 10,000
	Salt       string `json:"salt"`      // new for each rollout, constant within it
	Epoch      int64  `json:"epoch"`     // one more with each change
	OpID       string `json:"op_id"`
	RolloutID  string `json:"rollout_id,omitempty"`
	Paused     bool   `json:"paused"`
	LeaseSeq   int64  `json:"lease_seq"`
	DecisionID string `json:"decision_id,omitempty"` // the decision that led here
	// Outcome is how the rollout ended that this change ended: promoted,
	// rolled_back or aborted.
	Outcome   Outcome `json:"outcome,omitempty"`
	Reason    string  `json:"reason"`
	Actor     string  `json:"actor"`
	ChangedAt int64   `json:"changed_at"` // ms
}

// Bucket assigns a unit to one of 10,000 buckets: the first 8 bytes,
// big-endian, of sha256(salt, 0x00, unit) modulo 10,000. The challenger answers
// where the bucket is less than WeightBP, so a ramp only adds units.
func Bucket(salt, unit string) int {
	var buf [128]byte
	b := append(append(append(buf[:0], salt...), 0), unit...)
	sum := sha256.Sum256(b)
	return int(binary.BigEndian.Uint64(sum[:8]) % 10000)
}

// Variant says in which role a version answered.
type Variant string

// The variants.
const (
	VariantChampion   Variant = "champion"
	VariantChallenger Variant = "challenger"
	VariantPrevious   Variant = "previous"
	VariantPinned     Variant = "pinned"
)
