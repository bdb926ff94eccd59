package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newToken() *cobra.Command {
	return group("token", "Make, list and revoke access tokens", c.newTokenCreate(), c.newTokenList(), c.newTokenRevoke())
}

func (c *cli) newTokenCreate() *cobra.Command {
	var req client.TokenRequest
	var role string
	cmd := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Make a token and print it, this once",
		Long: `Make a token and print it, this once: it is stored nowhere. Each role holds the ones before it:
` + strings.Join(roleNames(), ", ") + `.`,
		Example: "  perennial token create ci --role trainer --expires 720h > ci.token",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			req.Name, req.Role = args[0], perennial.AccessRole(role)
			made, err := api.CreateToken(cmd.Context(), req)
			if err != nil {
				return err
			}
			if !c.json {
				c.sayf("Made %s (%s), id %s. Keep this token: it is not shown again.", made.Name, made.Role, made.TokenID)
			}
			return c.print(made, func(w io.Writer) { row(w, made.Token) })
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "what the holder may do: "+strings.Join(roleNames(), ", "))
	cmd.Flags().StringVar(&req.Expires, "expires", "", "how long it lasts, as 720h; without it until it is revoked")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why; kept in the audit")
	if err := cmd.MarkFlagRequired("role"); err != nil {
		panic(err) // the flag is two lines above
	}
	return cmd
}

func roleNames() []string {
	var names []string
	for _, r := range perennial.AccessRoles() {
		names = append(names, string(r))
	}
	return names
}

func (c *cli) newTokenList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List every token that was ever made, newest first",
		Example: "  perennial token list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			list, err := api.Tokens(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				row(w, "TOKEN ID", "NAME", "ROLE", "MADE BY", "MADE", "EXPIRES", "LAST USED", "REVOKED")
				for _, t := range list.Items {
					row(w, t.TokenID, t.Name, t.Role, t.CreatedBy, when(t.CreatedAt), whenMaybe(t.ExpiresAt), whenMaybe(t.LastUsedAt), whenMaybe(t.RevokedAt))
				}
			})
		},
	}
}

func (c *cli) newTokenRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "revoke NAME|ID",
		Short:   "Revoke a token: it is refused within a second",
		Example: "  perennial token revoke ci --reason 'left the team'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			id, err := tokenID(cmd.Context(), api, args[0])
			if err != nil {
				return err
			}
			t, err := api.RevokeToken(cmd.Context(), id, reason)
			if err != nil {
				return err
			}
			return c.print(t, func(w io.Writer) { row(w, fmt.Sprintf("Revoked %s (%s).", t.Name, t.TokenID)) })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the audit")
	return cmd
}

// tokenID gives the id of the token of a name that is in force; anything else is
// an id already.
func tokenID(ctx context.Context, api *client.Client, name string) (string, error) {
	if strings.HasPrefix(name, access.TokenPrefix) { // it would be in every proxy's log
		return "", usageError{"a token is revoked by its name or id: perennial token list shows them"}
	}
	list, err := api.Tokens(ctx)
	if err != nil {
		return "", err
	}
	for _, t := range list.Items {
		if t.Name == name && t.RevokedAt == nil {
			return t.TokenID, nil
		}
	}
	return name, nil
}

func (c *cli) newAudit() *cobra.Command {
	return group("audit", "See who changed what, and that the record is whole", c.newAuditList(), c.newAuditVerify())
}

func (c *cli) newAuditList() *cobra.Command {
	var page client.Page
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List who changed what, newest first",
		Example: "  perennial audit list --limit 20",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			list, err := api.Audit(cmd.Context(), page)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				row(w, "SEQ", "AT", "ACTOR", "ACTION", "TARGET", "REASON", "BEFORE", "AFTER")
				for _, e := range list.Items {
					before, after := changed(e.Before, e.After)
					row(w, e.Seq, when(e.At), e.Actor, e.Action, dash(e.Target), dash(e.Reason), before, after)
				}
			})
		},
	}
	cmd.Flags().IntVar(&page.Limit, "limit", 50, "how many rows")
	cmd.Flags().StringVar(&page.Token, "page-token", "", "next_page_token of the page before (--json shows it)")
	return cmd
}

// stateWidth is how much of a state stands in a table; --json has all of it.
const stateWidth = 100

// changed writes the states before and after a change without what is the same
// in both, each in one short line, "-" for none.
func changed(before, after any) (string, string) {
	was, hadState := before.(map[string]any)
	is, hasState := after.(map[string]any)
	if !hadState || !hasState {
		return oneLine(before), oneLine(after)
	}
	left, right := map[string]any{}, map[string]any{}
	for key, value := range was {
		if !reflect.DeepEqual(value, is[key]) {
			left[key] = value
		}
	}
	for key, value := range is {
		if !reflect.DeepEqual(value, was[key]) {
			right[key] = value
		}
	}
	return oneLine(left), oneLine(right)
}

func oneLine(v any) string {
	if v == nil {
		return "-"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "-"
	}
	if line := []rune(string(b)); len(line) > stateWidth {
		return string(line[:stateWidth]) + "…"
	}
	return string(b)
}

func (c *cli) newAuditVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check that no row of the audit was changed or taken out",
		Long: `Check that no row of the audit was changed or taken out. Each row's hash covers the row before it, so that the last
hash, kept elsewhere, proves all of them later. The exit code is 1 where a row is not as it was written.`,
		Example: "  perennial audit verify",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			report, err := api.VerifyAudit(cmd.Context())
			if err != nil {
				return err
			}
			err = c.print(report, func(w io.Writer) {
				row(w, fmt.Sprintf("%d rows are whole; hash of the last: %s", report.Entries, dash(report.Hash)))
			})
			if err == nil && !report.Whole {
				err = perennial.Errorf(perennial.CodePrecondition, "", "row %d of the audit is not as it was written: %s", report.Broken, report.Reason).
					WithHint("Compare the table audit with a backup; the rows before it are whole.")
			}
			return err
		},
	}
}
