// SPDX-License-Identifier: Apache-2.0
// `sluice explain mailto:…`: as a session of SMTP walks, from who comes in to the message with its attachment.
#include "app/explainer.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <ostream>

namespace sluice::app {

using policy::Action;
using policy::Facts;
using policy::Field;
using policy::Phase;
using policy::Protocol;

namespace {

std::string_view domain_of(std::string_view address) { return address.substr(address.rfind('@') + 1); }

// "Ann <ann@example.org>" without what stands around.
std::string_view bare(std::string_view written) {
    written = trim(written);
    if (const std::size_t open = written.rfind('<'); open != std::string_view::npos && written.ends_with('>'))
        written = written.substr(open + 1, written.size() - open - 2);
    return written;
}

// An address as rules see it: without its brackets, in small letters. International domains in ASCII.
std::string canonical_address(std::string_view written) {
    written = bare(written);
    const std::string_view domain = domain_of(written);
    std::string ascii = mail_domain(domain);
    if (ascii.empty()) ascii = lower(domain);
    return lower(written.substr(0, written.size() - domain.size())) + ascii;
}

// "%40": what a URL escapes. nullopt: an escape that is none.
std::optional<std::string> unescaped(std::string_view text) {
    const auto digit = [](char c) { return is_digit(c) ? c - '0' : to_lower(c) - 'a' + 10; };
    const auto is_hex = [](char c) { return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f'); };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3 || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return std::nullopt;
        out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
        i += 2;
    }
    return out;
}

}  // namespace

// "mailto:a@b.test,c@d.test?subject=…" (RFC 6068); what stands behind the "?" is for --header to say.
bool Explainer::read_mail_options() {
    std::string_view rest = std::string_view(options_.url).substr(7);
    rest = rest.substr(0, rest.find('?'));
    for (bool more = true; more;) {
        const std::size_t comma = rest.find(',');
        const auto written = unescaped(rest.substr(0, comma));
        auto parsed = smtp::parse_recipient(fmt::format("TO:<{}>", written ? bare(*written) : std::string_view()));
        if (!parsed) {
            err_ << fmt::format("sluice: \"{}\" names no recipient\n", options_.url);
            return false;
        }
        recipients_.push_back(std::move(parsed->path));
        more = comma != std::string_view::npos;
        if (more) rest.remove_prefix(comma + 1);
    }
    return true;
}

void Explainer::explain_mail() {
    Facts facts;
    const SmtpConfig& smtp = loaded_.config.smtp;
    if (smtp.upstreams.empty()) err_ << "sluice: there is no smtp.upstream: no mail is taken\n";
    else if (!smtp.is_on()) err_ << "sluice: smtp.listen is empty: no mail is taken\n";
    set_common_facts(facts, smtp.listen.empty() ? smtp.implicit_tls : smtp.listen);
    facts.clear(Field::user_name);                         // known with the first message
    facts.set(Field::network_protocol, std::string_view("smtp"));
    if (!is_client()) return;
    if (!judge(Phase::connect, Protocol::smtp, facts, "connect") || !say_hello(facts) || !open_upstream(facts)) return;

    if (!options_.user.empty()) facts.set(Field::user_name, std::string_view(options_.user));
    if (!options_.sender.empty()) {
        texts_.push_back(canonical_address(options_.sender));
        facts.set(Field::smtp_mail_from, std::string_view(texts_.back()));
    }
    if (!judge(Phase::request, Protocol::smtp, facts, "request (sender)")) return;
    const std::vector<std::string_view> taken = judge_recipients(facts);
    if (taken.empty()) return;
    facts.set_many(Field::smtp_rcpt_to, taken);
    if (policy().has_rules(Phase::response, Protocol::smtp) && !judge(Phase::response, Protocol::smtp, facts, "response")) return;
    explain_message(facts);
}

// Without a name nothing is said for it: rules that read it are left out, as no name at all would be one that nobody says.
bool Explainer::say_hello(Facts& facts) {
    if (!options_.helo.empty()) {
        texts_.push_back(lower(options_.helo));
        facts.set(Field::smtp_helo, std::string_view(texts_.back()));
        return judge(Phase::connect, Protocol::smtp, facts, "connect (HELO)");
    }
    if (trusted_ || !policy().reads(Field::smtp_helo)) return true;
    steps_.push_back({"connect (HELO)", {}, "the client's name is not known: say it with --helo"});
    return true;
}

// False: it ends there.
bool Explainer::open_upstream(Facts& facts) {
    if (loaded_.config.smtp.upstreams.empty()) return true;
    const SmtpConfig::Upstream& upstream = loaded_.config.smtp.upstreams.front();
    if (!upstream.path.empty()) {
        steps_.push_back({"dial", {}, fmt::format("{} is a local socket: nothing is asked", upstream.path)});
        return true;
    }
    const Authority authority = upstream_authority(upstream);
    url_.port = upstream.port;
    if (authority.address) servers_ = {authority.address->unmapped()};
    texts_.push_back(upstream.host);
    facts.set(Field::server_address, std::string_view(texts_.back()));
    facts.set(Field::server_port, upstream.port);
    dial(Protocol::smtp, facts);
    return !is_refused();
}

// As a session does. AUTH counts where it is the upstream's: a rule `authenticate` makes it ours.
bool Explainer::may_relay(const smtp::Path& recipient) const {
    const SmtpConfig& smtp = loaded_.config.smtp;
    const bool is_ours_to_take =
        recipient.address == "postmaster" || std::ranges::find(smtp.domains, recipient.domain()) != smtp.domains.end();
    if (is_ours_to_take && !recipient.may_be_routed) return true;
    if (std::ranges::any_of(smtp.relay_clients, [&](const IpNetwork& network) { return network.contains(client_); })) return true;
    const auto is_ours = [](const policy::Rule& rule) {
        return rule.action == Action::authenticate && !rule.shadow && rule.phase(Protocol::smtp);
    };
    return !options_.user.empty() && std::ranges::none_of(policy().rules(), is_ours);
}

// Those that are taken. Some may be refused and others not: only where none is left is the mail refused, for the reason of the last one.
std::vector<std::string_view> Explainer::judge_recipients(Facts& facts) {
    std::vector<std::string_view> taken;
    std::vector<std::string_view> tags;
    const std::size_t tags_of_sender = facts.tags().size();
    const std::optional<Verdict> of_sender = verdict_;
    const bool sender_allowed = allowed_;
    std::optional<Verdict> of_first, refusal;
    for (const smtp::Path& recipient : recipients_) {
        verdict_ = of_sender;
        allowed_ = sender_allowed;
        facts.keep_tags(tags_of_sender);
        facts.set(Field::smtp_rcpt_to, std::string_view(recipient.address));
        const std::string title = fmt::format("request (recipient {})", recipient.address);
        if (!may_relay(recipient)) {
            const std::string why =
                recipient.may_be_routed
                    ? fmt::format(
                          "550 5.7.1 Relaying denied: some server could take {} for another's, and {} is not among smtp.relay_clients",
                          recipient.address, client_.to_string())
                    : fmt::format("550 5.7.1 Relaying denied: {} is not among them, and {} is not among smtp.relay_clients",
                                  recipient.domain().empty() ? std::string_view(recipient.address) : recipient.domain(),
                                  client_.to_string());
            steps_.push_back({title, {}, why});
            refuse_by_setting("smtp.domains", why);
        } else if (judge(Phase::request, Protocol::smtp, facts, title)) {
            apply_default();
        }
        if (is_refused()) {
            refusal = verdict_;
            continue;
        }
        if (taken.empty()) of_first = verdict_;
        taken.emplace_back(recipient.address);
        tags.insert(tags.end(), facts.tags().begin(), facts.tags().end());
    }
    for (const std::string_view tag : tags) facts.add_tag(tag);  // what is said of any recipient is said of the message
    verdict_ = taken.empty() ? refusal : of_first;
    return taken;
}

void Explainer::set_mail_fields(Facts& facts) {
    const auto keep = [&](std::string text) { return std::string_view(texts_.emplace_back(std::move(text))); };
    for (const NameValue& header : headers_) {
        if (equals_ignoring_case(header.name, "subject")) facts.set(Field::email_subject, header.value);
        if (equals_ignoring_case(header.name, "message-id")) facts.set(Field::email_message_id, header.value);
        if (equals_ignoring_case(header.name, "from")) facts.set(Field::email_from, keep(canonical_address(header.value)));
        if (equals_ignoring_case(header.name, "to")) facts.set(Field::email_to, keep(canonical_address(header.value)));
    }
}

// The header, --file as an attachment, and the whole.
void Explainer::explain_message(Facts& facts) {
    const bool has_file = !options_.file.empty();
    if (has_file && static_cast<std::uint64_t>(file_size_) > loaded_.config.smtp.max_message)
        return refuse_by_setting("smtp.max_message", fmt::format("552 5.3.4 {} bytes are more than the {} that are taken", file_size_,
                                                                 loaded_.config.smtp.max_message));
    facts.set(Field::payload_direction, std::string_view("upload"));
    set_mail_fields(facts);
    struct Occurrence {
        Phase phase;
        std::string_view title;
        bool is_of_file;
    };
    constexpr std::array<Occurrence, 4> walk{{{Phase::payload, "payload (message)", false},
                                              {Phase::payload, "payload (attachment)", true},
                                              {Phase::verdict, "verdict (attachment)", true},
                                              {Phase::verdict, "verdict (message)", false}}};
    for (const Occurrence& occurrence : walk) {
        if ((occurrence.is_of_file && !has_file) || !policy().has_rules(occurrence.phase, Protocol::smtp)) continue;
        if (occurrence.is_of_file) set_file_facts(facts);
        const bool goes_on = judge(occurrence.phase, Protocol::smtp, facts, std::string(occurrence.title));
        clear_file_facts(facts);
        if (!goes_on) return;
    }
}

}  // namespace sluice::app
