package githubtest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// The kinds of who asks.
const (
	kindToken        = "token"
	kindInstallation = "installation"
	kindApp          = "app"
)

// credential is who asks.
type credential struct {
	kind string
	// owner and until are of an installation's token.
	owner string
	until time.Time
}

func (c *credential) name() string {
	if c == nil {
		return "nobody"
	}
	return c.kind
}

// tokenLife is how long an installation's token is good for.
const tokenLife = time.Hour

// whoIs reads the Authorization header; nil is nobody.
func (s *Server) whoIs(c *call) *credential {
	scheme, token, _ := strings.Cut(c.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "token") {
		return nil
	}
	if known := s.tokens[token]; known != nil {
		if !known.until.IsZero() && !c.now.Before(known.until) {
			return nil
		}
		return known
	}
	if s.checkJWT(token, c.now) == nil {
		return &credential{kind: kindApp}
	}
	return nil
}

// longestJWT is the most that may lie between the times of an app's JWT.
const longestJWT = 10 * time.Minute

// checkJWT is nil for a JWT of the app: RS256, issued by its ID, not in the future, and good for at most ten minutes.
func (s *Server) checkJWT(token string, now time.Time) error {
	if s.options.AppID == 0 {
		return fmt.Errorf("there is no app")
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return err
	}
	var claims jwt.Claims
	if err := parsed.Claims(s.options.AppKey, &claims); err != nil {
		return err
	}
	switch {
	case claims.Issuer != strconv.FormatInt(s.options.AppID, 10):
		return fmt.Errorf("issuer %q is not the app", claims.Issuer)
	case claims.IssuedAt == nil || claims.Expiry == nil:
		return fmt.Errorf("iat and exp are both needed")
	case claims.IssuedAt.Time().After(now):
		return fmt.Errorf("iat is in the future")
	case !claims.Expiry.Time().After(now):
		return fmt.Errorf("it has expired")
	case claims.Expiry.Time().After(now.Add(longestJWT)):
		return fmt.Errorf("exp is too far in the future")
	}
	return nil
}

// count counts a request against its token's hour.
func (s *Server) count(w http.ResponseWriter, c *call) *problem {
	hour := c.now.Truncate(time.Hour)
	key := c.by.kind + "/" + c.by.owner + "/" + hour.String()
	s.used[key]++
	left := s.options.Hourly - s.used[key]
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(s.options.Hourly))
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(0, left)))
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(hour.Add(time.Hour).Unix(), 10))
	if left < 0 {
		return &problem{status: http.StatusForbidden, message: "API rate limit exceeded for " + c.by.kind}
	}
	return nil
}

func (s *Server) installed(owner string) int64 {
	for i, one := range s.options.Installed {
		if strings.EqualFold(one, owner) {
			return int64(100 + i)
		}
	}
	return 0
}

func (s *Server) installation(c *call) (answer, *problem) {
	if c.by.kind != kindApp {
		return answer{}, &problem{status: http.StatusUnauthorized, message: "A JSON web token could not be decoded"}
	}
	id := s.installed(c.repo.Owner)
	if id == 0 {
		return answer{}, notFound()
	}
	return answer{body: map[string]any{"id": id, "app_id": s.options.AppID, "account": map[string]string{"login": c.repo.Owner}}}, nil
}

func (s *Server) installationToken(c *call) (answer, *problem) {
	if c.by.kind != kindApp {
		return answer{}, &problem{status: http.StatusUnauthorized, message: "A JSON web token could not be decoded"}
	}
	number := c.id("id") - 100
	if number < 0 || number >= int64(len(s.options.Installed)) {
		return answer{}, notFound()
	}
	token := fmt.Sprintf("ghs_%d", s.next())
	until := c.now.Add(tokenLife)
	s.tokens[token] = &credential{kind: kindInstallation, owner: s.options.Installed[number], until: until}
	return answer{status: http.StatusCreated, body: map[string]any{"token": token, "expires_at": until.UTC().Format(time.RFC3339)}}, nil
}

// Revoke makes every installation's token worthless, as a suspended or changed app's are.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, known := range s.tokens {
		if known.kind == kindInstallation {
			delete(s.tokens, token)
		}
	}
}

func (s *Server) rateLimit(*call) (answer, *problem) {
	return answer{body: map[string]any{"resources": map[string]any{}}}, nil
}
