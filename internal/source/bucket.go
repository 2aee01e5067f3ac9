package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"fx/internal/fail"
)

// bucketSchemes begin the addresses of buckets: S3 and what speaks its protocol, and Google Cloud Storage by its
// interface of that kind.
var bucketSchemes = []string{"s3://", "gs://"}

// IsBucket reports whether a path is a prefix in a bucket, such as s3://BUCKET/photos, which List lists.
func IsBucket(path string) bool {
	for _, scheme := range bucketSchemes {
		if strings.HasPrefix(path, scheme) {
			return true
		}
	}
	return false
}

// object is a photo in a bucket.
type object struct {
	of      *bucket
	key     string
	size    int64
	modTime time.Time
	etag    string
}

// bucket is a bucket and the client that reads it.
type bucket struct {
	client minio.Core
	scheme string // s3://
	name   string
}

// NewObject returns the photo at an address such as s3://BUCKET/KEY, of which nothing else is known.
func NewObject(address string) (Source, error) {
	b, key, err := openBucket(address)
	if err == nil && key == "" {
		err = errors.New("it names a bucket, and no object in it")
	}
	if err != nil {
		return nil, err
	}
	return &object{of: b, key: key, size: -1}, nil
}

// String returns the object's address.
func (o *object) String() string { return o.of.scheme + o.of.name + "/" + o.key }

// Stat describes the object as it was listed. Instead of an inode it has a hash of the ETag, which changes with the
// content.
func (o *object) Stat() (Stat, error) {
	if o.size < 0 {
		return Stat{Size: usualSize}, nil
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, o.etag) // never fails
	return Stat{Size: o.size, ModTime: o.modTime, Inode: h.Sum64()}, nil
}

// fetchTimeout bounds the time of one request with its answer.
const fetchTimeout = 2 * time.Minute

// Open requests the object, on the condition that it is the one that was listed.
func (o *object) Open() (Content, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	var options minio.GetObjectOptions
	if o.etag != "" {
		if err := options.SetMatchETag(o.etag); err != nil {
			cancel()
			return nil, err
		}
	}
	body, info, _, err := o.of.client.GetObject(ctx, o.of.name, o.key, options)
	if err != nil {
		cancel()
		return nil, o.of.explain(err, o.String())
	}
	stat := func() (Stat, error) { return Stat{Size: info.Size}, nil }
	if o.size >= 0 {
		stat = o.Stat
		if info.Size != o.size {
			cancel()
			return nil, errors.Join(changedObject(o.String()), body.Close())
		}
	}
	return &fetched{ReadCloser: body, cancel: cancel, stat: stat}, nil
}

// fetched is the body of an answer.
type fetched struct {
	io.ReadCloser
	cancel context.CancelFunc
	stat   func() (Stat, error)
}

func (f *fetched) Stat() (Stat, error) { return f.stat() }

// Close ends the request.
func (f *fetched) Close() error {
	defer f.cancel()
	return f.ReadCloser.Close()
}

// changedObject is the error for an object that is not the one that was listed.
func changedObject(name string) error {
	return fail.New(fail.Rejected, "Run the command again: what is finished is kept.",
		"%s changed while the photos were read", name)
}

// explain returns the error for an answer that tells of no photo. Answers that may be others next time stay as they
// are; photoio asks again.
func (b *bucket) explain(err error, name string) error {
	const kept = " What is finished is kept."
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return withoutQuery(err)
	}
	switch answer.StatusCode {
	case http.StatusNotFound:
		if answer.Code == "NoSuchBucket" {
			return fail.New(fail.Usage, "Check the name, and AWS_ENDPOINT_URL if it is not Amazon's."+kept,
				"there is no bucket %s%s", b.scheme, b.name)
		}
		return &Damaged{"it is no longer in the bucket"}
	case http.StatusForbidden, http.StatusUnauthorized:
		return fail.New(fail.Usage, "Give the credentials of an account that may read it, in the environment "+
			"(AWS_ACCESS_KEY_ID, …) or in ~/.aws."+kept, "%s may not be read: %s", name, answer.Code)
	case http.StatusPreconditionFailed:
		return changedObject(name)
	}
	return fmt.Errorf("%s (%d)", cmp.Or(answer.Code, answer.Message), answer.StatusCode)
}

// withoutQuery returns err without the query of an address in it, which may be a signature.
func withoutQuery(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err // the caller names the photo
	}
	return err
}

// endpointOf returns the host of a scheme's buckets, and whether it is reached by HTTPS.
func endpointOf(scheme string) (host string, secure bool, err error) {
	if scheme == "gs://" {
		return "storage.googleapis.com", true, nil
	}
	for _, name := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		u, err := url.Parse(value)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return "", false, fail.New(fail.Usage, "Write it as https://HOST or http://HOST:PORT.",
				"%s is no address of a server", name)
		}
		return u.Host, u.Scheme == "https", nil
	}
	return "s3.amazonaws.com", true, nil
}

// openBucket returns the bucket of an address, and the prefix in it. Credentials come from the environment, the files
// in ~/.aws, or the machine's role; without any, the bucket must be public.
func openBucket(address string) (*bucket, string, error) {
	scheme, rest, _ := strings.Cut(address, "://")
	scheme += "://"
	name, prefix, _ := strings.Cut(rest, "/")
	if err := s3utils.CheckValidBucketName(name); err != nil {
		return nil, "", fail.Wrap(fail.Usage, err, addressHint, "%s", address)
	}
	host, secure, err := endpointOf(scheme)
	if err != nil {
		return nil, "", err
	}
	key := bucketKey{scheme, host, name}
	if known, ok := buckets.Load(key); ok {
		return known.(*bucket), prefix, nil
	}
	region := cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	if region == "" && host != "s3.amazonaws.com" {
		region = "us-east-1" // other servers have one region
	}
	core, err := minio.NewCore(host, &minio.Options{
		Creds: credentialsOf(), Secure: secure, Region: region, Transport: transport(), MaxRetries: 5,
	})
	if err != nil {
		return nil, "", fail.Wrap(fail.Usage, err, addressHint, "%s", address)
	}
	b, _ := buckets.LoadOrStore(key, &bucket{client: *core, scheme: scheme, name: name})
	return b.(*bucket), prefix, nil
}

const addressHint = "Write it as s3://BUCKET/PREFIX."

// buckets are those that were opened, by bucketKey.
var buckets sync.Map

type bucketKey struct{ scheme, host, name string }

var credentialsOf = sync.OnceValue(func() *credentials.Credentials {
	providers := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if os.Getenv("AWS_EC2_METADATA_DISABLED") != "true" {
		// Outside of a cloud nobody answers.
		providers = append(providers, &credentials.IAM{Client: &http.Client{Timeout: 2 * time.Second}})
	}
	return credentials.NewChainCredentials(providers)
})

// transport is shared by all clients, so that connections are used again.
var transport = sync.OnceValue(func() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 2 * fetchers
	t.ResponseHeaderTimeout = time.Minute
	t.DisableCompression = true
	return t
})

// listBucket lists the objects under a prefix. A member's name is the rest of its key.
func listBucket(address string, each func(Member) error) error {
	if kindOf(address) != "" || compressed(address) != "" {
		return fail.New(fail.Usage, "Copy it to a disk, or mount the bucket, and name it there.",
			"%s is an archive in a bucket, which is not read", address)
	}
	b, prefix, err := openBucket(address)
	if err != nil {
		return err
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/" // a folder, as elsewhere
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	options := minio.ListObjectsOptions{Prefix: prefix, Recursive: true}
	for info := range b.client.ListObjectsIter(ctx, b.name, options) {
		if info.Err != nil {
			return listFailed(b.explain(info.Err, strings.TrimSuffix(address, "/")), address)
		}
		if strings.HasSuffix(info.Key, "/") {
			continue // a folder that some tool made
		}
		o := &object{of: b, key: info.Key, size: info.Size, modTime: info.LastModified, etag: info.ETag}
		if err := each(Member{Name: strings.TrimPrefix(info.Key, prefix), Size: info.Size, At: o}); err != nil {
			return err
		}
	}
	return nil
}

// listFailed is the error for a bucket that can't be listed whole: without the rest, photos would look as if they were
// gone.
func listFailed(err error, address string) error {
	var explained *fail.Error
	if errors.As(err, &explained) {
		return err
	}
	return fail.Wrap(fail.System, err, "Try again: what is finished is kept.", "cannot list %s", address)
}
