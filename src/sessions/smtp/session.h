// SPDX-License-Identifier: Apache-2.0
// One client's session, from the greeting to its end: a linear walk, command by command, one file a stage:
//   session.cpp           who is there; the loop; words to the client
//   session_hello.cpp     EHLO: the session with the upstream, and what is offered
//   session_tls.cpp       STARTTLS; the handshake with the client
//   session_auth.cpp      AUTH, relayed to the upstream or checked here; XCLIENT, XFORWARD
//   session_envelope.cpp  MAIL, RCPT, RSET: who writes to whom
//   session_data.cpp      DATA, BDAT: how a message's octets come
//   session_message.cpp   and how they go on, or not
//   session_judge.cpp     facts, phases, denials
//   session_record.cpp    events
// One reply a command, whatever happens: each handler ends in `answer`, or ends the session. A message is acknowledged when the upstream has
// said so, and in no other way but a quarantine's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/event.h"
#include "net/connection_limits.h"
#include "net/dial.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/task.h"
#include "protocols/smtp/command.h"
#include "protocols/smtp/content.h"
#include "protocols/smtp/envelope.h"
#include "sessions/smtp/channel.h"
#include "sessions/smtp/mail.h"
#include "sessions/smtp/settings.h"
#include "sessions/smtp/upstream.h"
#include "sessions/transaction/judgement.h"
#include "sessions/transaction/own_tls.h"
#include "sessions/transaction/roster.h"

namespace sluice::smtp {

class Service;

class Session final : public sessions::RosterEntry {
public:
    Session(Service& service, net::Accepted accepted);
    Session(Service& service, std::unique_ptr<net::Stream> client, net::ConnectionPermit permit, std::string listener);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    net::Task<void> run();
    // Says 421 where nothing is going on, else after the command that is.
    void drain() override;

private:
    using Denied = std::optional<sessions::Denial>;
    // What became of a command: answered; or the session is over, and whoever is there has been told.
    enum class Then : std::uint8_t { next, end };
    using Handler = net::Task<Then> (Session::*)(const Command&);
    struct CommandInfo;
    // What rules said that holds for what follows.
    struct Kept {
        policy::Effects effects;
        std::vector<std::string_view> tags;
        bool trusted = false;
        bool allowed = false;
        std::string_view rule;
    };
    // Why a message, or what its envelope says, does not go on: what the client is told.
    struct Refusal {
        int code = 0;
        std::string text;  // with its status code
    };
    template <class T>
    using Outcome = net::Task<Result<T>>;

    // session.cpp
    net::Task<bool> open();
    net::Task<bool> admit();
    net::Task<std::optional<std::string>> read_proxy_header();
    net::Task<void> serve();
    Outcome<Command> next_command();
    Outcome<void> fill_patiently(bool beats);
    net::Task<Then> handle(Command command);
    static const CommandInfo* find_command(std::string_view verb);
    Then answer(int code, std::string_view text);
    Then answer(const Reply& reply);
    Then answer_bad(int code, std::string_view text);  // of a client's fault: too many of them are the end
    net::Task<void> say_goodbye(int code, std::string_view text);
    net::Task<Then> end_out_of_step();  // 554: it spoke before it was its turn
    bool has_spoken_early();
    net::Task<Then> noop(const Command& command);
    net::Task<Then> help(const Command& command);
    net::Task<Then> verify(const Command& command);
    net::Task<Then> not_implemented(const Command& command);
    net::Task<Then> quit(const Command& command);
    const Limits& limits() const { return generation_->settings->limits; }
    const Settings& settings() const { return *generation_->settings; }

    // session_hello.cpp
    net::Task<Then> extended_hello(const Command& command);
    net::Task<Then> hello(const Command& command);
    net::Task<Then> say_hello(const Command& command, bool is_extended);
    net::Task<void> reach_upstream();
    Outcome<std::unique_ptr<net::Stream>> dial(const UpstreamServer& server);
    bool is_own_listener(const net::Dialled& dialled) const;
    void leave_upstream();
    bool has_upstream() const { return upstream_ && !upstream_->is_broken(); }
    std::vector<std::string> offer() const;
    std::uint64_t largest_message() const;
    std::vector<std::string> mechanisms() const;
    ClientAttributes attributes() const;

    // session_tls.cpp
    bool may_offer_tls() const;
    net::ca::LeafCache* leaves() const;
    net::Task<Then> start_tls(const Command& command);
    Outcome<void> secure_client(std::string ahead);

    // session_auth.cpp
    net::Task<Then> authenticate(const Command& command);
    net::Task<Then> relay_authentication(std::string_view mechanism, const std::string& line);
    net::Task<Then> check_authentication(std::string_view mechanism, std::string_view initial);
    Outcome<std::string> ask_client(std::string_view challenge);  // 334, and the line that it answers
    net::Task<Then> fail_authentication(int code, std::string_view text);
    net::Task<Then> end_silent_authentication(const Error& error);
    void record_failed_login(audit::Action action, std::string reason, int code);
    bool may_relay_authentication() const;
    bool is_trusted_peer() const;
    bool is_served() const;
    net::Task<Then> take_client(const Command& command);  // XCLIENT
    net::Task<Then> take_forwarded(const Command& command);  // XFORWARD

    // session_envelope.cpp
    net::Task<Then> mail(const Command& command);
    net::Task<Then> recipient(const Command& command);
    net::Task<Then> reset(const Command& command);
    std::optional<Refusal> take_mail_parameters(const EnvelopeCommand& mail, std::vector<Parameter>& onward);
    std::optional<Refusal> take_recipient_parameters(const EnvelopeCommand& recipient, std::vector<Parameter>& onward) const;
    bool may_relay_to(const Path& recipient) const;
    bool is_spoken_with_otherwise(const Settings& before) const;
    net::Task<Then> refuse_transaction(Refusal refusal);
    net::Task<void> end_transaction();

    // session_data.cpp
    net::Task<Then> data(const Command& command);
    net::Task<Then> chunk(const Command& command);
    net::Task<Then> refuse_chunk(std::optional<Chunk> chunk, int code, std::string_view text);
    Outcome<std::optional<Reply>> begin_content(ContentReader::Source source);
    Outcome<void> fill_content();
    Outcome<void> receive_data();
    Outcome<void> receive_chunk(std::uint64_t size);
    bool normalises() const;

    // session_message.cpp
    net::Task<void> pass(const Views& content);
    Outcome<void> forward();
    net::Task<void> stop_forwarding();
    net::Task<Then> finish_content();
    Outcome<Reply> deliver();
    net::Task<Then> finish_refused();
    net::Task<std::string_view> keep_sample();
    void refuse(int code, std::string text);
    void refuse(const Error& error);
    void refuse_content();
    bool wants_copy() const { return denied_ && denied_->action == policy::Action::quarantine; }
    std::string added_head();
    std::string edited_head();
    std::string received_field() const;

    // session_judge.cpp
    void begin_judging();
    Kept effects_so_far() const;
    Denied judge_accept();
    Denied judge_hello();
    void judge_upstream();
    Denied judge_sender();
    Denied judge_recipient(const Path& path);
    void forget_recipient();
    void take_recipient(const Path& path);
    Denied judge_reply(int code);
    Denied judge_again();  // a reload came
    Refusal refusal_of(const sessions::Denial& denial) const;
    net::Task<Then> deny(const sessions::Denial& denial);

    // session_record.cpp
    void begin_record();
    void note(const sessions::Denial& denial);
    void note_error(const Error& error);
    audit::Event describe();
    void record();
    void record_refused(std::string_view error, std::string_view reason);
    Then refuse_recipient(const Path& path, const sessions::Denial* denial);  // null: relaying is denied
    std::string with_id(std::string_view text) const;

    Service& service_;
    net::Worker& worker_;
    std::shared_ptr<const Generation> generation_;
    std::unique_ptr<net::Stream> accepted_;  // until it is client_'s
    IpPort peer_;  // as XCLIENT has it, where that is believed
    IpPort real_peer_;
    std::optional<Channel> client_;
    CommandReader commands_;
    std::optional<Upstream> upstream_;
    net::ConnectionPermit permit_;
    std::string listener_name_;
    bool is_waiting_ = false;  // for a command
    std::size_t bad_commands_ = 0;

    // The policy, of the session and of the message that is under way.
    sessions::Judgement judgement_;
    Kept at_accept_;
    Kept at_hello_;  // without what was said of the upstream's address
    Kept kept_;
    Kept before_recipient_;
    Kept judged_;  // of the recipient that is under way
    bool must_authenticate_ = false;  // a rule of `connect` asks who this is

    // Who the client is.
    std::string helo_;
    bool is_extended_ = false;
    std::string identity_;  // the proxy's user, proven
    std::string upstream_user_;  // to the upstream, as far as its words can be read
    bool is_authenticated_upstream_ = false;
    bool is_authenticated() const { return is_authenticated_upstream_ || !identity_.empty(); }
    std::size_t failed_logins_ = 0;
    ClientAttributes told_;  // XCLIENT, beyond address and name
    bool is_client_known_ = true;  // XCLIENT may say that nobody knows its address
    ClientAttributes forwarded_;  // XFORWARD, of the next message
    bool has_forwarded_ = false;

    // The upstream.
    std::optional<IpPort> server_address_;
    const UpstreamServer* server_ = nullptr;
    std::string server_issuer_;
    Extensions offered_;  // the upstream's, at the last EHLO
    std::optional<Error> unreached_;  // why there is none
    Denied unreached_by_rule_;
    std::shared_ptr<const Generation> upstream_generation_;  // its settings live as long as it

    // TLS with the client.
    const net::tls::TlsStream* client_tls_ = nullptr;  // null: in the clear
    std::shared_ptr<const net::tls::Acceptor> own_tls_;
    sessions::OwnIdentity own_identity_;
    std::string client_server_name_;
    std::string client_ja4_;
    bool is_implicit_ = false;

    // The transaction.
    bool is_in_transaction_ = false;
    Path sender_;
    std::vector<Path> recipients_;
    std::vector<std::string_view> recipient_names_;  // their addresses, for facts and the event
    std::size_t trusted_recipients_ = 0;
    bool has_refused_ = false;  // recipients, each with an event of its own
    std::size_t sender_tags_ = 0;  // of the facts' tags, those that were set before any recipient
    std::vector<std::string_view> recipient_tags_;  // and what was set for those that were taken
    bool is_binary_ = false;  // BODY=BINARYMIME

    // Its message.
    std::optional<Mail> mail_;
    std::optional<ContentReader> content_;
    Views views_;
    bool is_by_chunks_ = false;  // BDAT has begun
    bool has_content_ = false;  // octets that come are of it
    bool has_mail_ = false;  // mail_ is of this transaction
    bool is_whole_ = false;  // all of it has come
    bool is_head_sent_ = false;
    std::string head_;  // what goes on instead of the header section, or before it
    std::size_t skip_ = 0;  // octets of what comes out that `head_` stands for
    std::optional<Refusal> refusal_;
    Denied denied_;  // by which a refusal is one

    // The record of it.
    EventId id_{};
    std::int64_t start_ns_ = 0;
    std::int64_t upstream_ns_ = 0;
    std::uint64_t client_received_before_ = 0;
    std::uint64_t server_received_before_ = 0;
    int reply_ = 0;
    audit::Action action_ = audit::Action::allowed;
    std::string_view error_type_;
    std::string reason_;
    std::string_view rule_;
    std::vector<std::string_view> shadows_;
    audit::MailEvent mail_event_;
};

}  // namespace sluice::smtp
