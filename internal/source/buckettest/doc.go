// Package buckettest serves a folder as a bucket of S3, for tests. It can be slow, deny, fail, and tear its answers.
package buckettest
