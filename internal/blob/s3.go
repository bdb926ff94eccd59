package blob

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"

	"github.com/perennial-ml/perennial"
)

// S3Options are the settings of an S3 store. What is empty comes from the usual
// places: AWS_… in the environment, then ~/.aws/config and ~/.aws/credentials,
// then the machine's or container's role.
//
// The errors of an S3 store: unavailable where it doesn't answer, forbidden where
// it refuses us, precondition where there are no credentials or no such bucket.
type S3Options struct {
	Endpoint        string // of a server other than AWS; buckets are then part of the path
	Region          string // default us-east-1
	Profile         string
	CredentialsFile string
	ConfigFile      string
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Anonymous       bool   // sign nothing
	SkipTLSVerify   bool   // believe any certificate
	CAFile          string // PEM file of certificates to believe
	ConnectTimeout  time.Duration
	SSE             string // server-side encryption: AES256 or aws:kms
	KMSKeyID        string
	ACL             string // canned, as bucket-owner-full-control
}

// defaultRegion is what S3 signs for where nobody says otherwise.
const defaultRegion = "us-east-1"

// maxPut is the largest object that S3 takes in one request, in bytes.
const maxPut = 5 << 30

// bucket is a place in S3. Objects are written in one request each, with a
// checksum that the server compares, so that they appear whole or not at all.
type bucket struct {
	client *s3.Client
	creds  aws.CredentialsProvider // nil: requests aren't signed
	name   string
	prefix string // "" or with a slash behind it
	o      S3Options
}

func openBucket(address string, o S3Options) (*bucket, error) {
	name, prefix, _ := strings.Cut(address, "/")
	if name == "" {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "s3://%s names no bucket", address).WithHint("Write s3://bucket/prefix.")
	}
	if prefix = strings.Trim(path.Clean("/"+prefix), "/"); prefix != "" {
		prefix += "/"
	}
	cfg, err := awsConfig(o)
	if err != nil {
		return nil, err
	}
	b := &bucket{name: name, prefix: prefix, o: o}
	if _, anonymous := cfg.Credentials.(aws.AnonymousCredentials); !o.Anonymous && !anonymous {
		b.creds = cfg.Credentials
	}
	b.client = s3.NewFromConfig(cfg, func(so *s3.Options) {
		if o.Endpoint != "" {
			so.BaseEndpoint = aws.String(o.Endpoint)
		}
		so.UsePathStyle = so.BaseEndpoint != nil
		if o.Anonymous {
			so.Credentials = aws.AnonymousCredentials{}
		}
	})
	return b, nil
}

// awsConfig reads the usual places. It sends no request.
//
//nolint:contextcheck,nolintlint // nothing in it waits, and its callers have no context to pass
func awsConfig(o S3Options) (aws.Config, error) {
	transport, err := httpClient(o)
	if err != nil {
		return aws.Config{}, err
	}
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(transport),
		config.WithLogger(logging.Nop{}), // what matters is in the errors
		// Servers other than AWS don't know the newer checksums; a content's hash is its name here.
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(o.Profile))
	}
	if o.CredentialsFile != "" {
		load = append(load, config.WithSharedCredentialsFiles([]string{o.CredentialsFile}))
	}
	if o.ConfigFile != "" {
		load = append(load, config.WithSharedConfigFiles([]string{o.ConfigFile}))
	}
	if o.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, o.SessionToken)))
	}
	cfg, err := config.LoadDefaultConfig(context.Background(), load...)
	if err != nil {
		return cfg, perennial.Errorf(perennial.CodePrecondition, "", "the settings for S3 can't be read: %v", err).
			WithHint("Check the profile and the files ~/.aws/config and ~/.aws/credentials.").Because(err)
	}
	if cfg.Region == "" {
		cfg.Region = defaultRegion
	}
	return cfg, nil
}

// httpClient makes connections as the settings say.
func httpClient(o S3Options) (*awshttp.BuildableClient, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.SkipTLSVerify} //nolint:gosec // ssl_verify = false is the user's own setting
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		trust.RootCAs = x509.NewCertPool()
		if err != nil || !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, perennial.Errorf(perennial.CodePrecondition, "", "%s holds no certificates for S3", o.CAFile).
				WithHint("Name a PEM file.").Because(err)
		}
	}
	c := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		if o.SkipTLSVerify || o.CAFile != "" {
			t.TLSClientConfig = trust
		}
		t.MaxIdleConnsPerHost = 32 // as many as a push or pull with many jobs uses
	})
	if o.ConnectTimeout > 0 {
		d := *c.GetDialer()
		d.Timeout = o.ConnectTimeout
		c = c.WithTransportOptions(func(t *http.Transport) { t.DialContext = d.DialContext })
	}
	return c, nil
}

func (b *bucket) where(name string) string { return "s3://" + b.name + "/" + b.prefix + name }

func (b *bucket) spool() string { return os.TempDir() }

func (b *bucket) open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + name)}
	switch {
	case length == 0:
		return io.NopCloser(strings.NewReader("")), nil
	case length > 0:
		in.Range = aws.String("bytes=" + strconv.FormatInt(offset, 10) + "-" + strconv.FormatInt(offset+length-1, 10))
	case offset > 0:
		in.Range = aws.String("bytes=" + strconv.FormatInt(offset, 10) + "-")
	}
	out, err := b.client.GetObject(ctx, in)
	if err != nil {
		return nil, b.fault(ctx, "read "+b.where(name), err)
	}
	return out.Body, nil
}

func (b *bucket) stat(ctx context.Context, name string) (info, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + name), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return info{}, b.fault(ctx, "look up "+b.where(name), err)
	}
	found := info{size: aws.ToInt64(out.ContentLength), md5: strings.Trim(aws.ToString(out.ETag), `"`)}
	if sum, err := base64.StdEncoding.DecodeString(aws.ToString(out.ChecksumSHA256)); err == nil {
		found.sha256 = hex.EncodeToString(sum)
	}
	return found, nil
}

func (b *bucket) keep(ctx context.Context, t temp, name, kind, sum string) error {
	defer t.remove()
	if t.size > maxPut {
		return perennial.Errorf(perennial.CodeTooLarge, "", "%s has %d bytes, and S3 takes %d in one request", b.where(name), t.size, int64(maxPut)).
			WithHint("Push it with dvc.")
	}
	f, err := os.Open(t.name)
	if err != nil {
		return cantWrite(os.TempDir(), err)
	}
	defer f.Close() //nolint:errcheck // only read from
	raw, err := hex.DecodeString(sum)
	if err != nil {
		return perennial.Wrap("sum", err)
	}
	encoded := base64.StdEncoding.EncodeToString(raw)
	in := &s3.PutObjectInput{Bucket: &b.name, Key: aws.String(b.prefix + name), Body: f, ContentLength: aws.Int64(t.size)}
	if kind+":" == MD5 {
		in.ContentMD5 = &encoded
	} else {
		in.ChecksumSHA256 = &encoded
	}
	if b.o.SSE != "" {
		in.ServerSideEncryption = types.ServerSideEncryption(b.o.SSE)
	}
	if b.o.KMSKeyID != "" {
		in.SSEKMSKeyId = &b.o.KMSKeyID
	}
	if b.o.ACL != "" {
		in.ACL = types.ObjectCannedACL(b.o.ACL)
	}
	if _, err := b.client.PutObject(ctx, in); err != nil {
		return b.fault(ctx, "write "+b.where(name), err)
	}
	return nil
}
