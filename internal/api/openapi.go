package api

import (
	_ "embed" // for the document below
	"net/http"
)

//go:generate go test -count=1 -run ^TestTheDocumentIsThatOfTheCode$ ./openapi -args -update

//go:embed openapi.json
var document []byte

// Document is the OpenAPI 3.1 document of the API, generated from [Operations] and the types that they name.
func Document() []byte { return document }

func (s *Server) showOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", mediaJSON)
	_, _ = w.Write(document)
}
