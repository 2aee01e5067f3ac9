// Package hubtest has a local server that behaves as the Hugging Face hub does, for tests. New starts it, as Start
// does, and points HF_ENDPOINT and HF_HOME to it; Server.Commit adds a commit to a repository.
package hubtest
