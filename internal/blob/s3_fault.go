package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/perennial-ml/perennial"
)

// fault says what a failed request means, and what to do about it. A missing
// object gives an error that wraps fs.ErrNotExist.
func (b *bucket) fault(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return perennial.Errorf(perennial.CodeDeadline, "", "stopped before it was done to %s", doing).Because(errors.Join(context.Cause(ctx), err))
	}
	code, said, status := "", "", 0
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		code, said = e.ErrorCode(), e.ErrorMessage()
	}
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = e.HTTPStatusCode()
	}
	switch {
	case code == "NoSuchBucket":
		return perennial.Errorf(perennial.CodePrecondition, "", "there is no bucket %s at %s", b.name, b.server()).
			WithHint("Make it, or mend the url: is the endpoint the right one?").Because(err)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case status == http.StatusMovedPermanently || code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed":
		return perennial.Errorf(perennial.CodePrecondition, "", "the bucket %s lies in another region: %s", b.name, orElse(said, code)).
			WithHint("Set the region: dvc remote modify NAME region REGION, or AWS_REGION.").Because(err)
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return perennial.Errorf(perennial.CodeForbidden, "", "%s doesn't let us %s (%s)", b.server(), doing, orElse(code, http.StatusText(status))).
			WithHint("Check the key, the profile, and that they may list, read and write this prefix. Who am I: aws sts get-caller-identity").Because(err)
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests:
		return perennial.Errorf(perennial.CodeUnavailable, "", "%s can't %s now: %s", b.server(), doing, orElse(code, http.StatusText(status))).
			WithHint("Try again.").Because(err)
	case status > 0:
		return perennial.Errorf(perennial.CodePrecondition, "", "%s refuses to %s: %s %s", b.server(), doing, code, said).Because(err)
	}
	return b.unanswered(ctx, doing, err)
}

// unanswered tells why a request got no answer: we have nothing to sign it with,
// or nobody is there.
func (b *bucket) unanswered(ctx context.Context, doing string, err error) error {
	if b.creds != nil {
		if _, bad := b.creds.Retrieve(ctx); bad != nil {
			return perennial.Errorf(perennial.CodePrecondition, "", "there are no credentials to %s", doing).
				WithHint("Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile (AWS_PROFILE, dvc remote modify NAME profile P), or keep keys out of git with dvc remote modify --local. A public bucket: allow_anonymous_login = true.").
				Because(errors.Join(err, bad))
		}
	}
	return perennial.Errorf(perennial.CodeUnavailable, "", "can't reach %s to %s", b.server(), doing).
		WithHint("Check the network, the endpoint and its certificate (ssl_verify).").Because(err)
}

// server names who answers for the bucket.
func (b *bucket) server() string {
	if e := b.client.Options().BaseEndpoint; e != nil {
		return *e
	}
	return "S3 in " + b.client.Options().Region
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}
