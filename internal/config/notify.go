package config

// Notify says who hears of what, and how it is told.
type Notify struct {
	Rules     []NotifyRule              `yaml:"rules"`
	Templates map[string]NotifyTemplate `yaml:"templates"`
}

// NotifyRule names targets, and what they hear of. What it leaves out it does not limit.
type NotifyRule struct {
	// To are targets as channel:target, such as slack:C0123456789 or dingtalk:robot:ops.
	To           []string `yaml:"to"`
	Tenants      []string `yaml:"tenants"`
	Applications []string `yaml:"applications"`
	Environments []string `yaml:"environments"`
	Events       []string `yaml:"events"`
	// Severity is the least that is told: info, warning or critical.
	Severity string `yaml:"severity"`
}

// NotifyTemplate replaces how an event is told.
type NotifyTemplate struct {
	Title string   `yaml:"title"`
	Lines []string `yaml:"lines"`
}

// Slack is the app that speaks in Slack.
type Slack struct {
	BotToken Secret `yaml:"bot-token"`
	// AppToken opens Socket Mode, SigningSecret checks what Slack sends over HTTP: one of them, or both.
	AppToken      Secret `yaml:"app-token"`
	SigningSecret Secret `yaml:"signing-secret"`
	// Command is the slash command; empty is /skyisland.
	Command string `yaml:"command"`
	// API is another address than Slack's, for a proxy; it ends with /api/.
	API string `yaml:"api"`
}

// DingTalk is the app and the group robots that speak in DingTalk.
type DingTalk struct {
	ClientID     string `yaml:"client-id"`
	ClientSecret Secret `yaml:"client-secret"`
	// CardTemplate is the card on which people answer.
	CardTemplate string `yaml:"card-template"`
	// API is another address than DingTalk's, for a proxy.
	API    string            `yaml:"api"`
	Robots map[string]*Robot `yaml:"robots"`
}

// Robot is a custom robot of a DingTalk group.
type Robot struct {
	Token  Secret `yaml:"token"`
	Secret Secret `yaml:"secret"`
}

// Feishu is the bots that speak in Feishu.
type Feishu struct {
	Bots map[string]*Bot `yaml:"bots"`
}

// Bot is a custom bot of a Feishu group. Its address is a secret too.
type Bot struct {
	URL    Secret `yaml:"url"`
	Secret Secret `yaml:"secret"`
}

// place is a secret and where it stands.
type place struct {
	path   string
	secret *Secret
}

// chatSecrets are the secrets of the chats. Entries that are empty in the file are made, so that checking them is
// enough.
func (c *Config) chatSecrets() []place {
	out := []place{
		{"slack.bot-token", &c.Slack.BotToken}, {"slack.app-token", &c.Slack.AppToken}, {"slack.signing-secret", &c.Slack.SigningSecret},
		{"dingtalk.client-secret", &c.DingTalk.ClientSecret},
	}
	for name, robot := range c.DingTalk.Robots {
		if robot == nil {
			robot = &Robot{}
			c.DingTalk.Robots[name] = robot
		}
		at := "dingtalk.robots." + name
		out = append(out, place{at + ".token", &robot.Token}, place{at + ".secret", &robot.Secret})
	}
	for name, bot := range c.Feishu.Bots {
		if bot == nil {
			bot = &Bot{}
			c.Feishu.Bots[name] = bot
		}
		at := "feishu.bots." + name
		out = append(out, place{at + ".url", &bot.URL}, place{at + ".secret", &bot.Secret})
	}
	return out
}
