// Package hub fetches files of model repositories from the Hugging Face hub. Open names a repository, Repo.Fetch
// downloads a file of it into fx's cache, and Repo.UserFile finds the file in the user's own hub cache, to which fx
// never writes.
//
// A repository stands for one commit of it: the one that the hub names at the first use on this machine. It is recorded
// in the registry in fx's cache, and all later requests ask for it. Every file must have the checksum that the hub
// states, and the SHA-256 that package fetch recorded at its first use.
//
// HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_TOKEN, HF_TOKEN_PATH and the token file in HF_HOME are obeyed
// as huggingface_hub does. Only the host of HF_ENDPOINT gets the token; no message and no file contains it.
package hub
