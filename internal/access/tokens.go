package access

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// TokenPrefix begins every token, so that one that leaked is recognised for what
// it is.
const TokenPrefix = "prn_"

// AdminName is the actor's name for the token of PERENNIAL_ADMIN_TOKEN.
const AdminName = "admin"

// Token is what is known of a token: all but the token itself. Times are
// milliseconds since 1970, 0 for never.
type Token struct {
	ID         string
	Name       string // of the actor
	Role       perennial.AccessRole
	CreatedAt  int64
	CreatedBy  string
	ExpiresAt  int64
	LastUsedAt int64 // to the minute
	RevokedAt  int64
}

type tokenRow struct {
	TokenID    string `gorm:"primaryKey"`
	Name       string
	Role       string
	SHA256     string `gorm:"column:sha256"`
	CreatedAt  int64  `gorm:"autoCreateTime:false"`
	CreatedBy  string
	ExpiresAt  int64
	LastUsedAt int64
	RevokedAt  int64
}

func (tokenRow) TableName() string { return "tokens" }

func (r tokenRow) token() Token {
	return Token{
		ID: r.TokenID, Name: r.Name, Role: perennial.AccessRole(r.Role), CreatedAt: r.CreatedAt, CreatedBy: r.CreatedBy,
		ExpiresAt: r.ExpiresAt, LastUsedAt: r.LastUsedAt, RevokedAt: r.RevokedAt,
	}
}

// hashOf is what is stored of a token. The text has 256 random bits, so that a
// plain hash can't be reversed by guessing.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: the program ends first
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// reserved are the names under which something other than a token acts.
var reserved = []string{AdminName, "api", "temporal", "schedule", "bootstrap", "perennial"}

// CreateToken makes a token of which the text is chosen here; ID (one is chosen
// for ""), Name, Role, CreatedAt, CreatedBy and ExpiresAt come from t. The text is
// given back this once. It is safe to repeat with an ID while the token wasn't
// used: the token gets another text then, in place of one that nobody received.
// Codes: invalid for a name that is none or stands for something else, an unknown
// role or an end in the past; conflict where a token of this name is in force.
func (s *Store) CreateToken(ctx context.Context, t Token) (made Token, secret string, err error) {
	const op = "access.CreateToken"
	if err := checkToken(t); err != nil {
		return Token{}, "", err
	}
	secret = newSecret()
	row := tokenRow{
		TokenID: cmp.Or(t.ID, uuid.Must(uuid.NewV7()).String()), Name: t.Name, Role: string(t.Role), SHA256: hashOf(secret),
		CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy, ExpiresAt: t.ExpiresAt,
	}
	err = s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		again := tx.Model(&tokenRow{}).Where("token_id = ? AND revoked_at = 0 AND last_used_at = 0", row.TokenID).Update("sha256", row.SHA256)
		if again.Error != nil || again.RowsAffected > 0 {
			return again.Error
		}
		return tx.Create(&row).Error
	})
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return Token{}, "", perennial.Errorf(perennial.CodeConflict, op, "A token named %s is in force.", t.Name).
			WithHint("Revoke that one first, or choose another name: the audit tells holders apart by it.")
	}
	if err != nil {
		return Token{}, "", db.Fault(op, err)
	}
	s.tell(ctx)
	return row.token(), secret, nil
}

func checkToken(t Token) error {
	field := perennial.FieldError{Path: "/name", Rule: "name", Came: t.Name}
	switch {
	case !perennial.ValidName(t.Name):
		field.Message = "A name has 1 to 63 letters a to z, digits and dashes, and begins with a letter."
	case slices.Contains(reserved, t.Name):
		field.Message = t.Name + " stands for something other than a token in the audit."
	case !slices.Contains(perennial.AccessRoles(), t.Role):
		field = perennial.FieldError{Path: "/role", Rule: perennial.RuleCategory, Came: string(t.Role), Message: "There is no such role."}
		for _, r := range perennial.AccessRoles() {
			field.Allowed = append(field.Allowed, string(r))
		}
	case t.ExpiresAt != 0 && t.ExpiresAt <= t.CreatedAt:
		field = perennial.FieldError{Path: "/expires", Rule: perennial.RuleRange, Message: "A token must expire in the future."}
	default:
		return nil
	}
	err := perennial.Errorf(perennial.CodeInvalid, "access.CreateToken", "%s", field.Message)
	err.Fields = []perennial.FieldError{field}
	return err
}

// RevokeToken ends a token at a time; changed is false where it had ended
// before. Codes: not_found for an unknown id; with keepAdmin, precondition for
// the last token of the highest role that is in force.
func (s *Store) RevokeToken(ctx context.Context, id string, now int64, keepAdmin bool) (t Token, changed bool, err error) {
	const op = "access.RevokeToken"
	err = s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		// Two administrators who revoke each other wait for one another here.
		var admins []tokenRow
		locked := tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
		if err := inForceAt(locked, now).Where("role = ?", perennial.AccessAdmin).Order("token_id").Find(&admins).Error; err != nil {
			return err
		}
		if keepAdmin && len(admins) == 1 && admins[0].TokenID == id {
			return perennial.Errorf(perennial.CodePrecondition, op, "%s is the last token of the role admin: without it nobody could make another.", admins[0].Name).
				WithHint("Make another one first: perennial token create NAME --role admin. Or start the API with PERENNIAL_ADMIN_TOKEN_FILE.")
		}
		result := tx.Model(&tokenRow{}).Where("token_id = ? AND revoked_at = 0", id).Update("revoked_at", now)
		if result.Error != nil {
			return result.Error
		}
		row, found, err := db.Take[tokenRow](tx.Where("token_id = ?", id))
		if err == nil && !found {
			err = perennial.Errorf(perennial.CodeNotFound, op, "There is no token with the id %q.", id).
				WithHint("GET /tokens lists them. A token's id is not the token itself.")
		}
		t, changed = row.token(), result.RowsAffected > 0
		return err
	})
	if err != nil {
		return Token{}, false, db.Fault(op, err)
	}
	s.tell(ctx)
	return t, changed, nil
}

// Tokens lists every token that was ever made, newest first.
func (s *Store) Tokens(ctx context.Context) ([]Token, error) {
	var rows []tokenRow
	if err := s.db.WithContext(ctx).Order("created_at DESC, token_id DESC").Find(&rows).Error; err != nil {
		return nil, db.Fault("access.Tokens", err)
	}
	list := make([]Token, len(rows))
	for i, r := range rows {
		list[i] = r.token()
	}
	return list, nil
}

// HasAdmin reports whether a token of the highest role is in force at a time.
func (s *Store) HasAdmin(ctx context.Context, now int64) (bool, error) {
	var n int64
	err := inForceAt(s.db.WithContext(ctx).Model(&tokenRow{}), now).Where("role = ?", perennial.AccessAdmin).Count(&n).Error
	return n > 0, db.Fault("access.HasAdmin", err)
}

// inForceAt narrows a query down to tokens that let their holders in at a time.
func inForceAt(g *gorm.DB, now int64) *gorm.DB {
	return g.Where("revoked_at = 0 AND (expires_at = 0 OR expires_at > ?)", now)
}

// inForce lists the rows of tokens that are not revoked.
func (s *Store) inForce(ctx context.Context) ([]tokenRow, error) {
	var rows []tokenRow
	err := s.db.WithContext(ctx).Where("revoked_at = 0").Find(&rows).Error
	return rows, db.Fault("access.inForce", err)
}

// used notes when a token was used last; an earlier time changes nothing.
func (s *Store) used(ctx context.Context, id string, at int64) error {
	err := s.db.WithContext(ctx).Model(&tokenRow{}).Where("token_id = ? AND last_used_at < ?", id, at).Update("last_used_at", at).Error
	return db.Fault("access.used", err)
}
