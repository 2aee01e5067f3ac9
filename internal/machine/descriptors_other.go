//go:build !unix

package machine

// NeedDescriptors returns an error where this process can't open n more files. Here no limit is known.
func NeedDescriptors(int) error { return nil }
