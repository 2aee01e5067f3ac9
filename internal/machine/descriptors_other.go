//go:build !unix

package machine

// NeedDescriptors returns an error if this process can't open n more files. On this system no limit is known.
func NeedDescriptors(int) error { return nil }
