package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
)

// The types of CloudEvents that tell of an image.
const (
	typeHarborPushed = "harbor.artifact.pushed"
	typeImagePushed  = "dev.skyisland.image.pushed.v1"
)

// revisionAnnotation is where OCI has the commit of what an image was built from.
const revisionAnnotation = "org.opencontainers.image.revision"

// image is an image that was pushed to a registry.
type image struct {
	// Repository is where it is, with the registry's host where that is known: registry.example.com/acme/checkout.
	Repository string
	// Tag may be empty, Digest begins with sha256:.
	Tag    string
	Digest string
	// Commit is what it was built from; empty where nothing says so.
	Commit string
}

// NewRegistry is the webhook source for CloudEvents of registries. Their senders sign nothing, so they show one of one or
// two bearer tokens, the newest first.
func NewRegistry(bearer []string, inbox Inbox, router *Router, log *slog.Logger) (*Webhook, error) {
	secrets, err := checked(SourceRegistry, "token", bearer)
	if err != nil {
		return nil, err
	}
	known := newTokens(secrets)
	return newWebhook(provider{
		source: SourceRegistry, limit: smallLimit, event: registryEvent,
		prove: func(header http.Header, _ time.Time) (proof, error) {
			number := known.bearer(header)
			if number == 0 {
				return proof{}, errors.New("the bearer token is missing or wrong")
			}
			return already(number), nil
		},
	}, inbox, router, log), nil
}

// registryEvent makes an event of a CloudEvent in the binary or the structured mode. It is kept in the structured one, and
// known again by its source and ID, as CloudEvents say.
func registryEvent(header http.Header, _ proof, body []byte) (event Event, err error) {
	kind, err := mediaType(header)
	if err != nil {
		return event, err
	}
	structured := strings.HasPrefix(kind, "application/cloudevents")
	if strings.HasPrefix(kind, "application/cloudevents-batch") || !structured && header.Get("Ce-Specversion") == "" {
		return event, fmt.Errorf("the content type is %.80q: %w application/cloudevents+json, or ce- headers beside that of the data; batches are not taken", kind, errContentType)
	}
	read, err := cloudEventOf(header, body)
	if err != nil {
		return event, err
	}
	event.Delivery, event.Kind = key(read.Source(), read.ID()), read.Type()
	if event.Body, err = json.Marshal(read); err != nil {
		return event, fmt.Errorf("this is no CloudEvent 1.0: %w", err)
	}
	return event, nil
}

// cloudEventOf reads one event in the binary or the structured mode.
func cloudEventOf(header http.Header, body []byte) (*cloudevents.Event, error) {
	event, err := cloudevents.NewEventFromHTTPRequest(&http.Request{Header: header, Body: io.NopCloser(bytes.NewReader(body))})
	if err == nil {
		err = event.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("this is no CloudEvent 1.0: %s", strings.TrimSpace(err.Error()))
	}
	if version := event.SpecVersion(); version != cloudevents.VersionV1 {
		return nil, fmt.Errorf("this is no CloudEvent 1.0: its specversion is %.20q", version)
	}
	return event, nil
}

// readRegistry is what an event of a registry says.
func readRegistry(event Event) (meaning, error) {
	var read struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(event.Body, &read); err != nil {
		return meaning{}, fmt.Errorf("the event cannot be read: %w", err)
	}
	var (
		i   image
		err error
	)
	switch event.Kind {
	case typeHarborPushed:
		i, err = readHarbor(read.Data)
	case typeImagePushed:
		i, err = readImage(read.Data)
	default:
		return meaning{nothing: fmt.Sprintf("an event of the type %s starts nothing: want %s or %s", event.Kind, typeHarborPushed, typeImagePushed)}, nil
	}
	if err != nil {
		return meaning{}, unreadable(event.Kind, err)
	}
	return meaning{image: &i}, i.check(event.Kind)
}

// readImage reads the data of our own type.
func readImage(data []byte) (image, error) {
	var d struct {
		Repository  string            `json:"repository"`
		Tag         string            `json:"tag"`
		Digest      string            `json:"digest"`
		Commit      string            `json:"commit"`
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return image{}, fmt.Errorf("data is not repository, tag, digest and commit: %w", misshapen(err))
	}
	return image{Repository: d.Repository, Tag: d.Tag, Digest: d.Digest, Commit: firstCommit(d.Commit, d.Annotations[revisionAnnotation], d.Tag)}, nil
}

// readHarbor reads the data of Harbor's, which has a list of resources with one thing in it.
func readHarbor(data []byte) (image, error) {
	var d struct {
		Repository struct {
			FullName string `json:"repo_full_name"`
		} `json:"repository"`
		Resources []struct {
			Digest      string            `json:"digest"`
			Tag         string            `json:"tag"`
			ResourceURL string            `json:"resource_url"`
			Annotations map[string]string `json:"annotations"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return image{}, fmt.Errorf("data is not repository and resources: %w", misshapen(err))
	}
	if len(d.Resources) == 0 {
		return image{}, errors.New("data.resources is empty: want the image that was pushed")
	}
	one := d.Resources[0]
	i := image{Repository: d.Repository.FullName, Tag: one.Tag, Digest: one.Digest, Commit: firstCommit(one.Annotations[revisionAnnotation], one.Tag)}
	if at := strings.Index(one.ResourceURL, "/"+d.Repository.FullName); d.Repository.FullName != "" && at > 0 {
		i.Repository = one.ResourceURL[:at] + "/" + d.Repository.FullName
	}
	if i.Tag == i.Digest {
		i.Tag = "" // Harbor's way to say that there is none
	}
	return i, nil
}

// firstCommit is the first of some texts that is a commit; a tag is one where images are tagged by their commits.
func firstCommit(texts ...string) string {
	for _, text := range texts {
		if commit.MatchString(text) {
			return text
		}
	}
	return ""
}

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// check says everything that is wrong with an image.
func (i image) check(kind string) error {
	var faults []error
	if i.Repository == "" || !plain(i.Repository, 512) {
		faults = append(faults, fmt.Errorf("the %s event's repository is %.80q: want a name of at most 512 bytes", kind, i.Repository))
	}
	if !plain(i.Tag, 128) {
		faults = append(faults, fmt.Errorf("the %s event's tag is %.80q: want at most 128 bytes", kind, i.Tag))
	}
	if !digest.MatchString(i.Digest) {
		faults = append(faults, fmt.Errorf("the %s event's digest is %.80q: want sha256: and 64 hexadecimal digits", kind, i.Digest))
	}
	return errors.Join(faults...)
}
