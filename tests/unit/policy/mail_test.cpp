// SPDX-License-Identifier: Apache-2.0
// Rules in SMTP: when they are judged, how often they count, and what they do to a message.
#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "unit/policy/rules.h"

namespace sluice::policy::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

RuleSource at_phase(RuleSource source, std::string_view phase) {
    source.phase = text(phase);
    return source;
}

RuleSource shadowed(RuleSource source) {
    source.mode = text("shadow");
    return source;
}

RuleSource tagging(std::string_view name, std::string_view when, std::string_view tag, bool as_header = false) {
    RuleSource source = rule(name, when, "tag");
    source.tags = std::vector{text(tag)};
    if (as_header) source.header_flag = Flag{true, {"rules.toml", 1, 1}, "header = true"};
    return source;
}

RuleSource limiting(std::string_view name, std::string_view when, std::string_view rate, std::vector<std::string_view> per = {}) {
    RuleSource source = rule(name, when, "limit");
    source.rate = text(rate);
    if (!per.empty()) source.per.emplace();
    for (const std::string_view field : per) source.per->push_back(text(field));
    return source;
}

RuleSource editing(std::string_view action, std::string_view when, std::string_view header = "X-A") {
    RuleSource source = rule("edit", when, action);
    source.header = text(header);
    if (action.starts_with("set_")) source.value = text("b");
    return source;
}

std::string phase_in_smtp(const RuleSource& source) {
    const auto policy = compile({source});
    if (!policy) return "";
    const auto phase = policy->rules()[0].phase(Protocol::smtp);
    return phase ? std::string(to_string(*phase)) : "never";
}
std::string phase_in_smtp(std::string_view when) { return phase_in_smtp(rule("r", when, "block")); }

// One message after another, as a session asks for them.
struct Mail : Trial {
    using Trial::Trial;

    std::string asked(Phase phase) {
        const Decision decision = judge(phase, 0, Protocol::smtp);
        return decision.rule == nullptr ? "" : decision.rule->name;
    }
    std::string connect() { return asked(Phase::connect); }
    std::string helo(std::string_view name) {
        facts.set(Field::smtp_helo, name);
        return asked(Phase::connect);
    }
    std::string sender(std::string_view address) {
        effects.clear();
        facts.keep_tags(0);
        facts.clear(Field::smtp_rcpt_to);
        facts.set(Field::smtp_mail_from, address);
        const std::string by = asked(Phase::request);
        senders_tags = facts.tags().size();
        return by;
    }
    std::string recipient(std::string_view address) {
        facts.keep_tags(senders_tags);
        facts.set(Field::smtp_rcpt_to, address);
        return asked(Phase::request);
    }

    std::size_t senders_tags = 0;
};

TEST(MailPhase, every_field_of_mail_is_known_where_the_contract_says) {
    EXPECT_EQ(phase_in_smtp("client.ip in 10.0.0.0/8"), "connect");
    EXPECT_EQ(phase_in_smtp("smtp.helo == 'x'"), "connect");
    EXPECT_EQ(phase_in_smtp("tls.client.server_name == 'x'"), "tls");
    EXPECT_EQ(phase_in_smtp("server.ip in 10.0.0.0/8"), "dial");
    EXPECT_EQ(phase_in_smtp("server.address == 'mail.test'"), "dial");
    for (const char* when : {"smtp.mail_from == 'a@b.test'", "smtp.rcpt_to == 'a@b.test'", "user.name == 'ann'", "tls.version == '1.3'",
                             "tls.cipher == 'x'", "tls.resumed == true", "tls.client.issuer == 'x'", "tls.server.verified == true",
                             "tls.server.issuer == 'x'", "server.ip == 192.0.2.1 and smtp.mail_from == 'a@b.test'"})
        EXPECT_EQ(phase_in_smtp(when), "request") << when;
    EXPECT_EQ(phase_in_smtp("smtp.reply == 450"), "response");
    for (const char* when : {"email.from.address == 'a@b.test'", "email.to.address == 'a@b.test'", "email.subject == 'x'",
                             "email.message_id == 'x'", "email.ambiguous == true", "email.ambiguities == 'x'", "file.name == 'x'",
                             "file.extension == 'exe'", "file.mime_type == 'a/b'", "payload.direction == 'upload'"})
        EXPECT_EQ(phase_in_smtp(when), "payload") << when;
    EXPECT_EQ(phase_in_smtp("file.size > 5"), "verdict");  // no mail says how large its parts will be
    for (const char* when : {"file.hash.sha256 == '"
                             "0000000000000000000000000000000000000000000000000000000000000000'",
                             "scan.verdict == 'infected'", "scan.threat == 'x'", "scan.reason == 'bomb'", "scan.match == 'x'",
                             "body contains 'abcdef'", "client.bytes > 5"})
        EXPECT_EQ(phase_in_smtp(when), "verdict") << when;
    for (const char* when : {"url.domain == 'a.test'", "http.request.method == 'GET'", "ftp.command == 'STOR'"})
        EXPECT_EQ(phase_in_smtp(when), "never") << when;
    EXPECT_EQ(describe_phases(compile({rule("r", "smtp.rcpt_to == 'a@b.test'", "block")})->rules()[0]), "request (each recipient)");
}

TEST(MailPhase, the_name_of_helo_is_known_at_the_second_occurrence_of_connect) {
    Mail mail(compile({tagging("client", "client.port > 0", "c"), rule("name", "not smtp.helo == 'good.test'", "block")}));
    mail.facts.set(Field::client_port, 1);
    EXPECT_EQ(mail.connect(), "") << "without a name nothing is said of it";
    EXPECT_THAT(mail.effects.tags, SizeIs(1));
    mail.effects.clear();
    EXPECT_EQ(mail.helo("good.test"), "");
    EXPECT_THAT(mail.effects.tags, IsEmpty()) << "what reads the client alone is not asked again";
    EXPECT_EQ(mail.helo("bad.test"), "name");
}

TEST(MailPhase, what_reads_recipients_does_not_judge_the_sender) {
    Mail mail(compile({rule("ours", "not smtp.rcpt_to in {'ann@a.test', 'bo@a.test'}", "block"),
                       rule("spam", "smtp.mail_from == 'spam@x.test'", "block")}));
    EXPECT_EQ(mail.sender("ok@x.test"), "") << "`not` of a recipient who is not there yet must not hold";
    EXPECT_EQ(mail.recipient("ann@a.test"), "");
    EXPECT_EQ(mail.recipient("eve@b.test"), "ours");
    EXPECT_EQ(mail.recipient("bo@a.test"), "") << "each is judged by itself";
    EXPECT_EQ(mail.sender("spam@x.test"), "spam");
}

TEST(MailPhase, for_a_recipient_rules_stand_in_the_order_of_the_file) {
    const auto boss = rule("boss", "smtp.mail_from == 'boss@a.test'", "allow");
    const auto closed = rule("closed", "smtp.rcpt_to == 'list@a.test'", "block");
    Mail above(compile({boss, closed}));
    EXPECT_EQ(above.sender("boss@a.test"), "boss");
    EXPECT_EQ(above.recipient("list@a.test"), "boss");
    EXPECT_EQ(above.sender("ann@a.test"), "");
    EXPECT_EQ(above.recipient("list@a.test"), "closed");
    Mail below(compile({closed, boss}));
    EXPECT_EQ(below.sender("boss@a.test"), "boss");
    EXPECT_EQ(below.recipient("list@a.test"), "closed");
    EXPECT_EQ(below.recipient("ann@a.test"), "boss") << "[policy] default has nothing to say";
}

TEST(MailPhase, tags_that_hang_on_a_recipient_are_of_that_recipient) {
    const auto policy =
        compile({tagging("vip", "smtp.rcpt_to == 'boss@a.test'", "vip"), tagging("known", "smtp.mail_from == 'ann@x.test'", "known"),
                 rule("quiet", "tags == 'vip' and not tags == 'known'", "block"), rule("any", "tags == 'known'", "allow")});
    EXPECT_TRUE(policy->rules()[2].judges_recipients) << "through the tag";
    EXPECT_FALSE(policy->rules()[1].judges_recipients || policy->rules()[3].judges_recipients);
    Mail mail(policy);
    EXPECT_EQ(mail.sender("eve@x.test"), "");
    EXPECT_EQ(mail.recipient("boss@a.test"), "quiet");
    EXPECT_EQ(mail.recipient("bo@a.test"), "");
    EXPECT_EQ(mail.sender("ann@x.test"), "any");
    EXPECT_EQ(mail.recipient("boss@a.test"), "any");
}

TEST(MailPhase, in_the_payload_any_recipient_is_meant) {
    Mail mail(compile({rule("boss", "smtp.rcpt_to == 'boss@a.test' and file.extension == 'exe'", "block")}));
    const std::array<std::string_view, 2> recipients{"ann@a.test", "boss@a.test"};
    mail.facts.set_many(Field::smtp_rcpt_to, recipients);
    mail.facts.set(Field::file_extension, std::string_view("exe"));
    EXPECT_EQ(mail.asked(Phase::payload), "boss");
}

TEST(MailLimit, of_the_sender_counts_once_a_message) {
    Mail mail(compile({limiting("messages", "smtp.mail_from == 'ann@x.test'", "2/h")}));
    for (int message = 0; message < 2; ++message) {
        EXPECT_EQ(mail.sender("ann@x.test"), "");
        for (int i = 0; i < 5; ++i) EXPECT_EQ(mail.recipient("bo@a.test"), "");
    }
    EXPECT_EQ(mail.sender("ann@x.test"), "messages");
    const auto policy = compile({shadowed(limiting("messages", "smtp.mail_from == 'ann@x.test'", "1/h"))});
    Mail silent(policy);
    EXPECT_EQ(silent.sender("ann@x.test"), "");
    EXPECT_EQ(silent.recipient("bo@a.test"), "");
    EXPECT_THAT(silent.effects.shadows, IsEmpty()) << "in shadow mode too";
}

TEST(MailLimit, of_recipients_counts_each_of_them) {
    Mail mail(
        compile({limiting("recipients", "exists(smtp.rcpt_to)", "3/h"), limiting("each", "client.port > 0", "1/h", {"smtp.rcpt_to"})}));
    mail.facts.set(Field::client_port, 1);
    EXPECT_EQ(mail.sender("ann@x.test"), "");
    EXPECT_EQ(mail.recipient("a@a.test"), "");
    EXPECT_EQ(mail.recipient("b@a.test"), "");
    EXPECT_EQ(mail.recipient("a@a.test"), "each") << "what `per` names is read as well";
    EXPECT_EQ(mail.recipient("c@a.test"), "recipients");
}

TEST(MailLimit, through_a_tag_counts_recipients_too) {
    Mail mail(compile({tagging("t", "smtp.rcpt_to == 'list@a.test'", "list"), limiting("lists", "tags == 'list'", "2/h")}));
    EXPECT_EQ(mail.sender("ann@x.test"), "");
    EXPECT_EQ(mail.recipient("list@a.test"), "");
    EXPECT_EQ(mail.recipient("bo@a.test"), "");
    EXPECT_EQ(mail.recipient("list@a.test"), "");
    EXPECT_EQ(mail.recipient("list@a.test"), "lists");
}

TEST(MailLimit, of_payloads_counts_once_a_message) {
    Mail mail(compile({limiting("from", "email.from.address == 'ann@x.test'", "2/h", {"email.from.address"}),
                       limiting("threats", "scan.verdict == 'infected'", "2/h")}));
    mail.facts.set(Field::email_from, std::string_view("ann@x.test"));
    mail.facts.set(Field::scan_verdict, std::string_view("infected"));
    for (int message = 0; message < 3; ++message) {
        EXPECT_EQ(mail.sender("ann@x.test"), "");
        for (int part = 0; part < 4; ++part) {
            EXPECT_EQ(mail.asked(Phase::payload), message < 2 ? "" : "from") << part;
            EXPECT_EQ(mail.asked(Phase::verdict), message < 2 ? "malware" : "threats") << part;
        }
    }
}

TEST(MailLimit, of_a_name_counts_once_a_session) {
    Mail mail(compile({limiting("names", "smtp.helo == 'a.test'", "1/h")}));
    EXPECT_EQ(mail.helo("a.test"), "");
    EXPECT_EQ(mail.helo("a.test"), "") << "again after STARTTLS";
    mail.effects.clear();
    EXPECT_EQ(mail.helo("a.test"), "names");
}

TEST(MailAction, edits_are_of_a_message_s_header) {
    for (const char* action : {"set_request_header", "remove_request_header", "set_response_header", "remove_response_header"}) {
        EXPECT_EQ(phase_in_smtp(editing(action, "client.ip == 10.0.0.1")), "request") << action;
        EXPECT_EQ(phase_in_smtp(editing(action, "smtp.helo == 'a.test'")), "request") << action;
        EXPECT_EQ(phase_in_smtp(editing(action, "email.subject == 'a'")), "payload") << action;
        EXPECT_EQ(phase_in_smtp(editing(action, "email.subject == 'a' and scan.match == 'x'")), "verdict") << action;
        EXPECT_THAT(faults({editing(action, "smtp.rcpt_to == 'a@b.test' and scan.match == 'x'")}), IsEmpty()) << "held until then";
    }
    EXPECT_THAT(faults({editing("set_request_header", "smtp.helo == 'a'", "Subject")}), IsEmpty());
    EXPECT_THAT(faults({editing("set_request_header", "smtp.helo == 'a'", "Content-Type")}), IsEmpty());
    EXPECT_THAT(faults({at_phase(editing("set_request_header", "client.ip == 10.0.0.1"), "connect")}), IsEmpty())
        << "HTTP may take it there";
    EXPECT_THAT(faults({at_phase(editing("set_request_header", "smtp.helo == 'a'"), "connect")}), HasSubstr("in phase `request` of smtp"));
}

TEST(MailAction, a_tag_may_be_a_header_where_there_is_mail) {
    const auto policy = compile({tagging("t", "email.subject contains 'x'", "odd", true)});
    EXPECT_TRUE(policy->rules()[0].tags_as_header);
    EXPECT_THAT(faults({tagging("t", "client.ip == 10.0.0.1", "odd", true)}), IsEmpty());
    EXPECT_THAT(faults({tagging("t", "http.request.method == 'GET'", "odd", true)}),
                HasSubstr("warning: `header = true` has no effect here: it is about mail"));
    EXPECT_THAT(faults({tagging("t", "http.request.method == 'GET'", "odd")}), IsEmpty());
}

TEST(MailAction, quarantine_may_accept) {
    RuleSource source = rule("keep", "scan.verdict == 'infected'", "quarantine");
    source.accept = Flag{true, {"rules.toml", 1, 1}, "accept = true"};
    EXPECT_TRUE(compile({source})->rules()[0].accept);
    EXPECT_THAT(faults({source}), IsEmpty());
    source.when = text("scan.verdict == 'infected' and url.path == '/x'");
    EXPECT_THAT(faults({source}), HasSubstr("`accept = true` has no effect here"));
    source.action = text("block");
    EXPECT_THAT(faults({source}), HasSubstr("`accept` belongs to `quarantine`"));
}

TEST(MailAction, what_tls_carries_is_not_asked) {
    EXPECT_EQ(describe_protocols(compile({rule("r", "client.ip == 10.0.0.1", "tunnel")})->rules()[0]), "http");
    EXPECT_THAT(faults({rule("r", "smtp.helo == 'a'", "intercept")}),
                HasSubstr("applies to no protocol: `intercept` does nothing in smtp, whose fields it reads"));
}

TEST(MailAction, credentials_are_asked_for_at_helo_or_in_request) {
    const std::string users = ::testing::TempDir() + "policy_mail_users";
    std::ofstream(users) << "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n";
    const auto asks = [&](std::string_view when) {
        RuleSource source = rule("who", when, "authenticate");
        source.users = text(users);
        return source;
    };
    EXPECT_EQ(phase_in_smtp(asks("client.ip == 10.0.0.1")), "connect");
    EXPECT_EQ(phase_in_smtp(asks("smtp.mail_from == 'a@b.test'")), "request");
    EXPECT_EQ(phase_in_smtp(asks("not smtp.rcpt_to == 'a@b.test'")), "request");
    EXPECT_EQ(phase_in_smtp(at_phase(asks("client.ip == 10.0.0.1"), "request")), "request");
    EXPECT_THAT(faults({asks("email.subject == 'a'")}), HasSubstr("is too late: credentials are asked for in phase `request`"));
    std::remove(users.c_str());
}

TEST(MailAction, redirect_and_block_and_trust_may_come_at_any_time) {
    RuleSource redirect = rule("r", "", "redirect");
    redirect.to = text("http://a.test/");
    for (const char* when : {"smtp.helo == 'a'", "smtp.rcpt_to == 'a@b.test'", "smtp.reply == 250", "email.subject == 'a'",
                             "email.subject == 'a' and scan.verdict == 'clean'"}) {
        redirect.when = text(when);
        EXPECT_THAT(faults({redirect}), IsEmpty()) << when;
        for (const char* action : {"block", "reset", "trust", "allow"}) EXPECT_THAT(faults({rule("r", when, action)}), IsEmpty()) << when;
    }
    RuleSource status = rule("r", "smtp.helo == 'a'", "block");
    status.status = Number{451, {"rules.toml", 1, 1}, "status = 451"};
    EXPECT_THAT(faults({status}), IsEmpty());
}

TEST(MailHeader, is_edited_by_rules_of_mail_that_act) {
    const auto may = [](const RuleSource& source) { return compile({source})->may_add_header(Protocol::smtp); };
    EXPECT_FALSE(compile({})->may_add_header(Protocol::smtp));
    EXPECT_FALSE(may(rule("r", "email.subject == 'a'", "block")));
    EXPECT_FALSE(may(tagging("t", "email.subject == 'a'", "odd")));
    EXPECT_TRUE(may(tagging("t", "email.subject == 'a'", "odd", true)));
    EXPECT_TRUE(may(tagging("t", "client.ip == 10.0.0.1", "odd", true)));
    EXPECT_FALSE(may(tagging("t", "http.request.method == 'GET'", "odd", true)));
    EXPECT_FALSE(may(shadowed(tagging("t", "email.subject == 'a'", "odd", true))));
    for (const char* action : {"set_request_header", "remove_request_header", "set_response_header", "remove_response_header"}) {
        EXPECT_TRUE(may(editing(action, "smtp.helo == 'a'"))) << action;
        EXPECT_FALSE(may(shadowed(editing(action, "smtp.helo == 'a'")))) << action;
        EXPECT_FALSE(may(editing(action, "http.version == '1.1'"))) << action;
    }
    EXPECT_TRUE(compile({editing("set_request_header", "http.version == '1.1'")})->may_add_header(Protocol::http));
}

TEST(MailOrder, what_overtakes_is_warned_of) {
    EXPECT_THAT(faults({rule("late", "smtp.rcpt_to == 'a@b.test'", "allow"), rule("early", "smtp.mail_from == 'x@y.test'", "block")}),
                HasSubstr("in smtp this rule is decided in phase `request` for the sender, before `late`, which is written above it but "
                          "decided in `request` for each recipient"));
    EXPECT_THAT(
        faults({rule("late", "smtp.helo == 'a'", "allow"), rule("early", "client.ip == 10.0.0.1", "block")}),
        HasSubstr("in smtp this rule is decided in phase `connect` at accept, before `late`, which is written above it but decided in "
                  "`connect` at HELO"));
    EXPECT_THAT(faults({rule("late", "smtp.mail_from == 'a@b.test'", "allow"), rule("early", "server.ip == 192.0.2.1", "block")}),
                HasSubstr("in smtp this rule is decided in phase `dial`, before `late`"));
    EXPECT_THAT(faults({rule("early", "smtp.mail_from == 'x@y.test'", "block"), rule("late", "smtp.rcpt_to == 'a@b.test'", "allow")}),
                IsEmpty());
    EXPECT_THAT(faults({rule("web", "url.path == '/'", "allow"), rule("mail", "smtp.helo == 'a'", "block")}), IsEmpty())
        << "they never meet";
}

TEST(MailTrace, tells_of_the_sender_s_limits_with_the_sender) {
    const auto policy = compile({rule("web", "url.path == '/'", "block"), limiting("messages", "smtp.mail_from == 'a@x.test'", "1/h"),
                                 limiting("recipients", "exists(smtp.rcpt_to)", "1/h"), rule("to", "smtp.rcpt_to == 'b@a.test'", "block"),
                                 rule("from", "smtp.mail_from == 'b@x.test'", "block")});
    const auto told = [&](const Facts& known) {
        Facts facts = known;
        std::vector<std::string> out;
        for (const RuleTrace& trace : policy->trace(Phase::request, Protocol::smtp, facts))
            out.push_back(trace.rule->name + ": " + std::string(to_string(trace.outcome)));
        return out;
    };
    Facts facts;
    facts.set(Field::smtp_mail_from, std::string_view("a@x.test"));
    EXPECT_THAT(told(facts), ElementsAre("web: other protocol", "messages: effect", "from: no match"));
    facts.set(Field::smtp_rcpt_to, std::string_view("b@a.test"));
    EXPECT_THAT(told(facts), ElementsAre("recipients: effect", "to: decided", "from: not reached"));
}

}  // namespace
}  // namespace sluice::policy::testing
