// SPDX-License-Identifier: Apache-2.0
#include "audit/event_json.h"

#include "audit/json.h"
#include "base/url.h"

#include <algorithm>
#include <ctime>
#include <initializer_list>

namespace sluice::audit {

namespace {

// More than all keys, numbers, addresses, times and fixed words of one line together.
constexpr std::size_t fixed_size = 3200;
constexpr std::size_t attachment_keys = 256;  // all keys and the number of one
constexpr std::string_view ellipsis = "\xe2\x80\xa6";
constexpr std::int64_t nanoseconds = 1'000'000'000;

// `text` cut to `size` bytes at most, not in the middle of a character.
std::string_view cut(std::string_view text, std::size_t size) {
    if (text.size() <= size) return text;
    std::size_t end = size;
    for (std::size_t back = 0; back < 3 && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80; ++back) --end;
    return text.substr(0, end);
}

// A string that is put together of several pieces and is cut as a whole.
class Pieces {
public:
    Pieces(char* out, std::size_t limit) : out_(out), room_(limit) {}

    void add(std::string_view piece) {
        if (cut_ || piece.empty()) return;
        const std::string_view shown = cut(piece, room_);
        out_ = put_escaped(out_, shown);
        room_ -= shown.size();
        if (shown.size() == piece.size()) return;
        out_ = put(out_, ellipsis);
        cut_ = true;
    }
    // `hidden`: what `redaction` found first.
    void add_query(std::string_view query, const Redaction& redaction, Redaction::Range hidden) {
        std::size_t shown = 0;
        for (; hidden.begin != std::string_view::npos; hidden = redaction.next(query, hidden.end)) {
            add(query.substr(shown, hidden.begin - shown));
            add(Redaction::replacement);
            shown = hidden.end;
        }
        add(query.substr(shown));
    }
    void add_url(std::string_view url, const Redaction& redaction) {
        const UrlParts parts = without_userinfo(url);
        add(parts.before);
        add(parts.after);
        if (!parts.has_query) return;
        add("?");
        add_query(parts.query, redaction, redaction.next(parts.query, 0));
    }
    char* end() const { return out_; }

private:
    char* out_;
    std::size_t room_;
    bool cut_ = false;
};

// The line as it grows. Keys come as `,"name":` and everything is inlined, so that each is a few moves
// of known size.
class Line {
public:
    Line(char* out, std::size_t text_limit, const Redaction& redaction) : out_(out), limit_(text_limit), redaction_(redaction) {}

    [[gnu::always_inline]] void raw(std::string_view text) { out_ = put(out_, text); }
    [[gnu::always_inline]] void time(std::string_view key, std::int64_t unix_ns, Timestamps& timestamps) {
        raw(key);
        *out_++ = '"';
        out_ = timestamps.write(out_, unix_ns);
        *out_++ = '"';
    }
    template <std::integral T>
    [[gnu::always_inline]] void number(std::string_view key, T value) {
        raw(key);
        out_ = put_number(out_, value);
    }
    template <std::integral T>
    [[gnu::always_inline]] void known_number(std::string_view key, T value) {
        if (value > 0) number(key, value);
    }
    [[gnu::always_inline]] void text(std::string_view key, std::string_view value) {
        if (value.empty()) return;
        raw(key);
        string(value);
    }
    [[gnu::always_inline]] void texts(std::string_view key, std::span<const std::string_view> values) {
        if (values.empty()) return;
        raw(key);
        char separator = '[';
        for (const std::string_view value : values) {
            *out_++ = separator;
            string(value);
            separator = ',';
        }
        *out_++ = ']';
    }
    [[gnu::always_inline]] void address(std::string_view key, const IpAddress& address) {
        raw(key);
        *out_++ = '"';
        out_ += address.format(out_);
        *out_++ = '"';
    }
    // `fill` gets the Pieces of the string.
    template <class F>
    [[gnu::always_inline]] void pieces(std::string_view key, F&& fill) {
        raw(key);
        *out_++ = '"';
        Pieces pieces(out_, limit_);
        fill(pieces);
        out_ = pieces.end();
        *out_++ = '"';
    }
    [[gnu::always_inline]] void url(std::string_view key, std::string_view value) {
        if (!value.empty()) pieces(key, [&](Pieces& to) { to.add_url(value, redaction_); });
    }
    [[gnu::always_inline]] void query(std::string_view key, std::string_view value, Redaction::Range hidden) {
        if (hidden.begin == std::string_view::npos) text(key, value);
        else pieces(key, [&](Pieces& to) { to.add_query(value, redaction_, hidden); });
    }
    const Redaction& redaction() const { return redaction_; }
    char* end() const { return out_; }

private:
    [[gnu::noinline]] void string(std::string_view value) {
        if (value.size() <= limit_) {
            out_ = put_string(out_, value);
            return;
        }
        Pieces pieces(out_ + 1, limit_);
        *out_ = '"';
        pieces.add(value);
        out_ = pieces.end();
        *out_++ = '"';
    }

    char* out_;
    std::size_t limit_;
    const Redaction& redaction_;
};

bool was_denied(Action action) {
    return action != Action::allowed && action != Action::tunnelled && action != Action::failed && action != Action::aborted;
}

// event.kind, category, type, outcome and action. A connection without a request, and a tunnel, are the network's; a request is the web's; a command of FTP is about a file; a message is mail.
void write_what(Line& line, const Event& event) {
    const bool network = event.method.empty() || event.action == Action::tunnelled || event.method == "CONNECT";
    if (!event.ftp_command.empty()) line.raw(R"(,"event.kind":"event","event.category":["file","network"],"event.type":["access")");
    else if (event.mail && event.mail->mail_from)
        line.raw(R"(,"event.kind":"event","event.category":["email","network"],"event.type":["info")");
    else
        line.raw(network ? R"(,"event.kind":"event","event.category":["network"],"event.type":["connection")"
                         : R"(,"event.kind":"event","event.category":["web"],"event.type":["access")");
    if (event.stage == Stage::start) line.raw(R"(,"start")");
    if (event.stage == Stage::end) line.raw(R"(,"end")");
    line.raw(was_denied(event.action) ? R"(,"denied")" : R"(,"allowed")");
    if (event.action == Action::failed) line.raw(R"(,"error")");
    const bool succeeded = event.action == Action::allowed || event.action == Action::tunnelled;
    if (event.stage == Stage::start) line.raw(R"(],"event.outcome":"unknown","event.action":")");
    else if (succeeded) line.raw(R"(],"event.outcome":"success","event.action":")");
    else line.raw(R"(],"event.outcome":"failure","event.action":")");
    line.raw(to_string(event.action));
    line.raw("\"");
}

void write_full_url(Line& line, const Event& event, Redaction::Range hidden) {
    static constexpr std::string_view key = R"(,"url.full":)";
    if (!event.url_full.empty()) return line.url(key, event.url_full);
    if (event.url_scheme.empty() || event.domain.empty()) return;
    line.pieces(key, [&](Pieces& to) {
        to.add(event.url_scheme);
        to.add("://");
        const bool is_v6 = event.domain.find(':') != std::string_view::npos;
        if (is_v6) to.add("[");
        to.add(event.domain);
        if (is_v6) to.add("]");
        if (event.url_port != 0 && event.url_port != default_port(event.url_scheme)) {
            char port[number_size + 1] = ":";
            to.add({port, put_number(port + 1, event.url_port)});
        }
        to.add(event.path);
        if (event.query.empty()) return;
        to.add("?");
        to.add_query(event.query, line.redaction(), hidden);
    });
}

void write_url(Line& line, const Event& event) {
    const Redaction::Range hidden = line.redaction().next(event.query, 0);
    write_full_url(line, event, hidden);
    line.text(R"(,"url.scheme":)", event.url_scheme);
    line.text(R"(,"url.domain":)", event.domain);
    line.text(R"(,"url.registered_domain":)", event.registered_domain);
    line.known_number(R"(,"url.port":)", event.url_port);
    line.text(R"(,"url.path":)", event.path);
    line.query(R"(,"url.query":)", event.query, hidden);
    line.text(R"(,"url.extension":)", event.extension);
}

void write_http(Line& line, const Event& event) {
    if (!event.method.empty()) {
        line.text(R"(,"http.request.method":)", event.method);
        line.text(R"(,"http.version":)", event.http_version);
        line.url(R"(,"http.request.referrer":)", event.referrer);
        line.text(R"(,"http.request.content_type":)", event.request_content_type);
        line.number(R"(,"http.request.body.bytes":)", event.request_body_bytes);
        line.text(R"(,"user_agent.original":)", event.user_agent);
    }
    line.known_number(R"(,"http.response.status_code":)", event.status);
    line.text(R"(,"http.response.content_type":)", event.response_content_type);
    if (!event.method.empty()) line.number(R"(,"http.response.body.bytes":)", event.response_body_bytes);
}

void write_ftp(Line& line, const Event& event) {
    line.text(R"(,"ftp.command":)", event.ftp_command);
    line.text(R"(,"ftp.argument":)", event.ftp_argument);
    line.known_number(R"(,"ftp.reply":)", event.ftp_reply);
}

void write_attachment(Line& line, const Attachment& attachment) {
    line.number(R"({"file.size":)", attachment.size);
    line.text(R"(,"file.name":)", attachment.name);
    line.text(R"(,"file.extension":)", attachment.extension);
    line.text(R"(,"file.mime_type":)", attachment.mime_type);
    line.text(R"(,"file.hash.sha256":)", attachment.sha256);
    line.text(R"(,"scan.verdict":)", attachment.verdict);
    line.text(R"(,"scan.threat":)", attachment.threat);
    line.text(R"(,"scan.engine":)", attachment.engine);
    line.text(R"(,"scan.reason":)", attachment.reason);
    line.raw("}");
}

void write_mail(Line& line, const MailEvent& mail) {
    line.text(R"(,"smtp.helo":)", mail.helo);
    if (mail.mail_from && mail.mail_from->empty()) line.raw(R"(,"smtp.mail_from":"")");
    else if (mail.mail_from) line.text(R"(,"smtp.mail_from":)", *mail.mail_from);
    line.texts(R"(,"smtp.rcpt_to":)", mail.recipients);
    line.known_number(R"(,"smtp.reply":)", mail.reply);
    line.texts(R"(,"email.from.address":)", mail.from);
    line.texts(R"(,"email.to.address":)", mail.to);
    line.text(R"(,"email.subject":)", mail.subject);
    line.text(R"(,"email.message_id":)", mail.message_id);
    if (!mail.ambiguities.empty()) line.raw(R"(,"email.ambiguous":true)");
    line.texts(R"(,"email.ambiguities":)", mail.ambiguities);
    if (mail.attachments.empty()) return;
    line.raw(R"(,"email.attachments":)");
    std::string_view separator = "[";
    for (const Attachment& attachment : mail.attachments) {
        line.raw(separator);
        write_attachment(line, attachment);
        separator = ",";
    }
    line.raw("]");
}

void write_tls(Line& line, const Event& event) {
    line.text(R"(,"tls.client.server_name":)", event.tls_server_name);
    line.text(R"(,"tls.client.ja4":)", event.tls_ja4);
    if (event.tls_ech) line.raw(R"(,"tls.client.ech":true)");
    line.text(R"(,"tls.version":)", event.tls_version);
    line.text(R"(,"tls.cipher":)", event.tls_cipher);
    if (event.tls_resumed) line.raw(*event.tls_resumed ? R"(,"tls.resumed":true)" : R"(,"tls.resumed":false)");
    line.text(R"(,"tls.client.issuer":)", event.tls_client_issuer);
    line.text(R"(,"tls.server.issuer":)", event.tls_server_issuer);
    if (event.tls_server_verified)
        line.raw(*event.tls_server_verified ? R"(,"tls.server.verified":true)" : R"(,"tls.server.verified":false)");
}

void write_payload(Line& line, const Event& event) {
    line.text(R"(,"file.name":)", event.file_name);
    line.text(R"(,"file.extension":)", event.file_extension);
    line.text(R"(,"file.mime_type":)", event.file_mime_type);
    line.known_number(R"(,"file.size":)", event.file_size);
    line.text(R"(,"file.hash.sha256":)", event.sha256);
    line.text(R"(,"scan.verdict":)", event.scan_verdict);
    line.text(R"(,"scan.threat":)", event.scan_threat);
    line.text(R"(,"scan.engine":)", event.scan_engine);
    line.text(R"(,"scan.reason":)", event.scan_reason);
    line.texts(R"(,"scan.match":)", event.scan_match);
    if (event.scan_partial) line.raw(R"(,"scan.partial":true)");
}

}  // namespace

char* Timestamps::write(char* out, std::int64_t unix_ns) {
    std::int64_t seconds = unix_ns / nanoseconds;
    if (unix_ns < 0 && unix_ns % nanoseconds != 0) --seconds;
    Second& second = seconds_[static_cast<std::size_t>(seconds & 3)];
    if (second.unix_seconds != seconds) {
        const std::time_t time = seconds;
        std::tm parts{};
        gmtime_r(&time, &parts);  // 64-bit nanoseconds end in 2262: a year has four digits
        char* to = second.text.data();
        const auto digits = [&](int value, int count, char after) {
            for (int i = count; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
            to += count;
            *to++ = after;
        };
        digits(parts.tm_year + 1900, 4, '-');
        digits(parts.tm_mon + 1, 2, '-');
        digits(parts.tm_mday, 2, 'T');
        digits(parts.tm_hour, 2, ':');
        digits(parts.tm_min, 2, ':');
        digits(parts.tm_sec, 2, '.');
        second.unix_seconds = seconds;
    }
    std::memcpy(out, second.text.data(), second.text.size());
    const auto milliseconds = static_cast<unsigned>((unix_ns - seconds * nanoseconds) / 1'000'000);
    out[20] = static_cast<char>('0' + milliseconds / 100);
    out[21] = static_cast<char>('0' + milliseconds / 10 % 10);
    out[22] = static_cast<char>('0' + milliseconds % 10);
    out[23] = 'Z';
    return out + size;
}

std::size_t EventEncoder::bound(const Event& event) const {
    std::size_t texts = 0;
    std::size_t count = 0;
    const auto add = [&](std::string_view text) {
        texts += std::min(text.size(), text_limit_);
        ++count;
    };
    for (const std::string_view text : {event.reason,
                                        event.rule_name,
                                        event.error_type,
                                        event.protocol,
                                        event.listener,
                                        event.client_country,
                                        event.server_country,
                                        event.server_address,
                                        event.user_name,
                                        event.url_full,
                                        event.url_scheme,
                                        event.domain,
                                        event.registered_domain,
                                        event.path,
                                        event.extension,
                                        event.method,
                                        event.ftp_command,
                                        event.ftp_argument,
                                        event.user_agent,
                                        event.http_version,
                                        event.request_content_type,
                                        event.response_content_type,
                                        event.file_name,
                                        event.file_extension,
                                        event.file_mime_type,
                                        event.sha256,
                                        event.scan_verdict,
                                        event.scan_threat,
                                        event.scan_engine,
                                        event.scan_reason})
        add(text);
    for (const std::string_view text : event.shadow_rules) add(text);
    for (const std::string_view text : event.tags) add(text);
    for (const std::string_view text : event.scan_match) add(text);
    if (event.mail) {
        const MailEvent& mail = *event.mail;
        for (const std::string_view text : {mail.helo, mail.mail_from.value_or(""), mail.subject, mail.message_id}) add(text);
        for (const auto texts_of : {mail.recipients, mail.from, mail.to, mail.ambiguities})
            for (const std::string_view text : texts_of) add(text);
        for (const Attachment& each : mail.attachments) {
            for (const std::string_view text :
                 {each.name, each.extension, each.mime_type, each.sha256, each.verdict, each.threat, each.engine, each.reason})
                add(text);
            texts += attachment_keys;
        }
    }
    // The composed url.full repeats what is counted above; and what stands for a hidden value may be longer than it: 11 bytes for the 3
    // of "k=&".
    if (event.url_full.empty()) texts += std::min(event.url_scheme.size() + event.domain.size() + event.path.size() + 16, text_limit_);
    for (const std::string_view text : {event.query, event.query, event.referrer, event.url_full})
        texts += std::min(text.size() * 4 + 16, text_limit_);
    return fixed_size + escaped_size(texts) + count * (ellipsis.size() + 3) + json_slack;
}

char* EventEncoder::encode(const Event& event, const Redaction& redaction, char* out) {
    Line line(out, text_limit_, redaction);
    line.time(R"({"@timestamp":)", event.end_ns, timestamps_);
    line.raw(R"(,"ecs.version":"8.11.0")");
    line.text(R"(,"event.id":)", event.id.text[0] == '\0' ? std::string_view{} : event.id.view());
    line.time(R"(,"event.start":)", event.start_ns, timestamps_);
    if (event.stage != Stage::start) {
        line.time(R"(,"event.end":)", event.end_ns, timestamps_);
        line.number(R"(,"event.duration":)", std::max<std::int64_t>(event.end_ns - event.start_ns, 0));
    }
    write_what(line, event);
    line.text(R"(,"event.reason":)", event.reason);
    line.text(R"(,"rule.name":)", event.rule_name);
    line.texts(R"(,"rule.shadow":)", event.shadow_rules);
    line.text(R"(,"error.type":)", event.error_type);
    line.text(R"(,"network.protocol":)", event.protocol);
    line.raw(R"(,"network.transport":"tcp")");
    line.text(R"(,"listener":)", event.listener);
    line.address(R"(,"client.ip":)", event.client.address);
    line.number(R"(,"client.port":)", event.client.port);
    line.number(R"(,"client.bytes":)", event.client_bytes);
    line.text(R"(,"client.geo.country_iso_code":)", event.client_country);
    line.text(R"(,"server.address":)", event.server_address);
    if (event.server) {
        line.address(R"(,"server.ip":)", event.server->address);
        line.number(R"(,"server.port":)", event.server->port);
        line.number(R"(,"server.bytes":)", event.server_bytes);
        line.text(R"(,"server.geo.country_iso_code":)", event.server_country);
    }
    line.text(R"(,"user.name":)", event.user_name);
    write_url(line, event);
    write_http(line, event);
    write_ftp(line, event);
    if (event.mail) write_mail(line, *event.mail);
    write_tls(line, event);
    write_payload(line, event);
    line.known_number(R"(,"timing.policy":)", event.policy_ns);
    line.known_number(R"(,"timing.upstream":)", event.upstream_ns);
    line.known_number(R"(,"timing.scan":)", event.scan_ns);
    line.texts(R"(,"tags":)", event.tags);
    line.raw("}\n");
    return line.end();
}

void write_json(const Event& event, const Redaction& redaction, std::string& out) {
    EventEncoder encoder;
    const std::size_t before = out.size();
    out.resize(before + encoder.bound(event));
    const char* end = encoder.encode(event, redaction, out.data() + before);
    out.resize(static_cast<std::size_t>(end - out.data()));
}

}  // namespace sluice::audit
