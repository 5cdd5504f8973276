// SPDX-License-Identifier: Apache-2.0
// One client's control connection, from the greeting to its end: a linear walk, command by command, one file a stage:
//   session.cpp           who is there; the loop; words to the client and to the server
//   session_login.cpp     USER, PASS: to which server, and who
//   session_tls.cpp       AUTH, PBSZ, PROT; handshakes with the client
//   session_commands.cpp  what is answered here, and what goes on to the server
//   session_data.cpp      data connections with the client: PASV, EPSV, PORT, EPRT
//   session_transfer.cpp  what transfers have in common
//   session_retrieve.cpp  from the server to the client: files and listings
//   session_store.cpp     from the client to the server
//   session_judge.cpp     facts, phases, denials
//   session_record.cpp    events
// What is asked of the server goes through `Upstream`. One reply a command, whatever happens: each handler ends in `answer`, or ends the session.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/event.h"
#include "net/connection_limits.h"
#include "net/listener.h"
#include "net/peer_listener.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/timer.h"
#include "protocols/ftp/login.h"
#include "protocols/ftp/path.h"
#include "sessions/ftp/control.h"
#include "sessions/ftp/settings.h"
#include "sessions/ftp/upstream.h"
#include "sessions/transaction/inspected.h"
#include "sessions/transaction/judgement.h"
#include "sessions/transaction/own_tls.h"
#include "sessions/transaction/roster.h"

namespace sluice::ftp {

class Service;
struct CommandInfo;

// Why a data connection in TLS is not good enough: 522 (RFC 4217 10.2).
inline constexpr std::string_view session_reuse_required = "the data connection did not resume the control connection's TLS session";

class Session final : public sessions::RosterEntry {
public:
    Session(Service& service, net::Accepted accepted);
    Session(Service& service, std::unique_ptr<net::Stream> client, net::ConnectionPermit permit, std::string listener);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    net::Task<void> run();
    // Says 421 where nothing is going on, else after the command that is.
    void drain() { news_.tell(); }

private:
    using Denied = std::optional<sessions::Denial>;
    // What became of a command: answered; or the session is over, and whoever is there has been told.
    enum class Then : std::uint8_t { next, end };
    // What rules said that holds for each command that follows.
    struct Kept {
        policy::Effects effects;
        std::vector<std::string_view> tags;
        bool trusted = false;
        bool allowed = false;
        std::string_view rule;
    };
    template <class T>
    using Outcome = net::Task<Result<T>>;

    // session.cpp
    net::Task<bool> open();
    net::Task<std::optional<std::string>> read_proxy_header();
    net::Task<void> serve();
    net::Task<Then> handle(Command command);
    net::Task<Then> answer(int code, std::string_view text);
    net::Task<Then> answer(const Reply& reply);
    net::Task<Then> answer_error(const Error& error);  // of either side; where the connection is not sound any more it is the end
    net::Task<void> say_goodbye(std::string_view text);  // 421
    void forget_server();
    net::Task<void> leave_server();
    const Limits& limits() const { return generation_->settings->limits; }
    const Settings& settings() const { return *generation_->settings; }

    // session_login.cpp
    net::Task<Then> user(const Command& command);
    net::Task<Then> password(const Command& command);
    Result<Login> parse_user(std::string_view argument, bool asks_for_proxy_user) const;
    net::Task<Then> ask_who(const sessions::Denial& denial, std::string_view argument);
    net::Task<std::optional<Then>> prove_identity(std::string_view argument, std::string& server_password);
    net::Task<Then> fail_login(const Reply& reply);
    net::Task<std::optional<Then>> reach_server();
    net::Task<std::optional<Then>> greet();
    void forget_login();
    net::Task<Then> enter(const Reply& welcome);
    net::Task<Then> reinitialise();
    net::Task<Then> refuse_login(const sessions::Denial& denial);

    // session_commands.cpp
    net::Task<Then> run_command(const CommandInfo& info, const Command& command);
    net::Task<Then> answer_features();
    net::Task<Then> set_type(const Command& command);
    net::Task<Then> set_options(const Command& command);
    net::Task<Then> set_restart(const Command& command);
    net::Task<Then> forward(const CommandInfo& info, const Command& command);
    net::Task<Then> site(const CommandInfo& info, const Command& command);
    std::string path_of(const CommandInfo& info, const Command& command) const;
    void note_success(const CommandInfo& info, const Command& command, const Reply& reply);

    // session_tls.cpp
    bool may_offer_tls() const;
    net::ca::LeafCache* leaves() const;
    net::Task<Then> start_tls(const Command& command);
    Outcome<void> secure_client(std::string ahead);
    net::Task<Then> set_buffer_size(const Command& command);
    net::Task<Then> set_protection(const Command& command);
    Outcome<void> secure_client_data();

    // session_data.cpp
    net::Task<Then> enter_passive(const Command& command);
    net::Task<Then> enter_active(const Command& command);
    bool has_data_address() const { return listener_ || active_; }
    void forget_data();
    Outcome<std::unique_ptr<net::Stream>> connect_client();
    // The command, over a data connection with the server: its first reply, preliminary or a refusal.
    Outcome<Reply> begin_transfer(std::string_view verb, std::string_view argument);
    void heed();  // ABOR, or somebody is gone: what a transfer waits for ends

    // session_transfer.cpp
    void begin_data(std::uint64_t skip);
    void end_data();
    void begin_payload(sessions::Inspected& way, std::string_view path, bool is_part);
    policy::Ranges ranges_of(policy::Direction direction);
    net::Task<Then> refuse_part(const CommandInfo& info, std::string_view path);
    Outcome<Denied> pass(std::string_view bytes, std::size_t in_place, bool ended);
    Outcome<void> give();
    Denied follow_up(sessions::Inspected& way);
    Denied plan(sessions::Inspected& way);
    net::Task<void> keep_sample(sessions::Denial& denial);

    // session_retrieve.cpp
    net::Task<Then> retrieve(const CommandInfo& info, const Command& command);
    net::Task<Then> list(const CommandInfo& info, const Command& command);
    Outcome<Denied> run_download(std::string_view verb, std::string_view argument);
    Outcome<Denied> pump_download();
    Outcome<Denied> join_data();
    Outcome<void> give_to_client();
    Outcome<void> begin_client_leg();
    Outcome<void> tell_client_it_begins();
    void say_patience();
    net::Task<Then> finish_download(Result<Denied> pumped);
    net::Task<Then> finish_broken(Result<Denied> outcome);
    net::Task<Then> explain_broken(Result<Denied> outcome, bool was_aborted);

    // session_store.cpp
    net::Task<Then> store(const CommandInfo& info, const Command& command);
    Outcome<Denied> run_upload(bool begins_at_once);
    Outcome<Reply> begin_storing();
    Outcome<void> look_before_storing();
    Outcome<Denied> pump_upload();
    Outcome<void> give_to_server();
    net::Task<bool> hear_client_out();
    net::Task<Then> finish_upload(Result<Denied> pumped);
    net::Task<void> remove_remainder();

    // session_judge.cpp
    void begin_judging();
    Kept effects_so_far() const;
    void fill_login_facts();
    Denied judge_accept();
    Denied judge_server();
    Denied judge_command(std::string_view verb, std::string_view argument, std::string_view path);
    // Of PASV and its like, which do nothing by themselves: `[policy] default` waits for the transfer.
    Denied judge_data_command(std::string_view verb, std::string_view argument);
    void fill_command_facts(std::string_view verb, std::string_view argument, std::string_view path);
    Denied judge_reply(int code);
    Denied judge_again();  // a reload came
    net::Task<Then> deny(const sessions::Denial& denial, int code, std::string_view what);
    std::string words_of(const sessions::Denial& denial, std::string_view what) const;

    // session_record.cpp
    void begin_record(const Command& command);
    void note(const sessions::Denial& denial);
    void note_error(const Error& error);
    void record();
    void record_refused(std::string_view error, std::string_view reason);
    audit::Event describe();

    Service& service_;
    net::Worker& worker_;
    std::shared_ptr<const Generation> generation_;
    News news_{[this] { heed(); }};
    std::unique_ptr<net::Stream> accepted_;  // until it is client_'s
    IpPort peer_;
    std::optional<ClientControl> client_;
    std::optional<Upstream> server_;
    net::ConnectionPermit permit_;
    net::ConnectionPermit session_permit_;
    std::string listener_name_;

    // The policy, of the session and of the command that is under way.
    sessions::Judgement judgement_;
    Kept at_accept_;
    Kept kept_;  // and at USER, of the server and its address

    // The login.
    std::string user_;
    std::optional<Login> login_;
    std::shared_ptr<const policy::UserFile> asked_by_;  // a rule wants login_->proxy_user's password before anybody is dialled
    std::string identity_;  // the proxy's user, proven
    Reply asks_for_password_;  // what the server said to USER
    bool is_logged_in_ = false;
    bool record_login_ = false;  // of a login without a password
    bool user_was_refused_ = false;  // by the server; said after PASS, so that nobody learns who exists
    std::size_t failed_logins_ = 0;
    std::optional<IpPort> server_address_;
    WorkingDirectory directory_;
    std::optional<std::string> rename_from_;  // RNFR was good

    // TLS. The stream is the control connection's own; with what it was opened, data connections are, whatever a reload has brought since.
    const net::tls::TlsStream* client_tls_ = nullptr;  // null: in the clear
    std::shared_ptr<const net::tls::Acceptor> own_tls_;
    sessions::OwnIdentity own_identity_;
    std::string client_server_name_;  // of the ClientHello
    std::string client_ja4_;
    bool has_pbsz_ = false;
    bool is_private_ = false;  // PROT P
    bool is_implicit_ = false;  // the listener starts in TLS

    // The next transfer.
    bool is_ascii_ = true;  // RFC 959 5.1
    std::uint64_t restart_ = 0;
    bool only_epsv_ = false;  // EPSV ALL
    std::unique_ptr<net::PeerListener> listener_;  // the client's data connection comes here
    std::optional<IpPort> active_;  // or goes there

    // The one under way.
    std::unique_ptr<net::Stream> client_data_;
    bool is_over_ = true;  // no transfer
    bool client_was_told_ = false;  // 150
    bool is_patient_ = false;  // of that 150, lines went ahead
    bool is_cut_ = false;
    std::uint64_t skip_ = 0;  // octets that the client has already
    std::uint64_t server_restart_ = 0;  // where the server shall begin
    std::uint64_t moved_ = 0;  // that went on
    std::optional<Reply> last_reply_;  // of the server, for the client
    std::vector<std::string_view> released_;  // what may go on now
    std::optional<net::Timer> patience_;
    sessions::Inspected upload_{policy::Direction::upload};
    sessions::Inspected download_{policy::Direction::download};
    sessions::Inspected* inspected_ = nullptr;  // of the command under way
    std::string store_verb_;
    std::string store_argument_;
    std::string stored_as_;  // the file at the server, in its own words
    bool existed_before_ = true;  // for all that is known
    bool must_remove_ = false;
    bool upload_ended_ = false;  // the client has sent all of it
    std::string sample_problem_;  // for event.reason

    // The record of the command under way.
    EventId id_{};
    std::int64_t start_ns_ = 0;
    std::int64_t upstream_ns_ = 0;
    Control::Traffic client_before_;  // of the control connections
    Control::Traffic server_before_;
    std::uint64_t data_from_client_ = 0;
    std::uint64_t data_from_server_ = 0;
    std::string verb_;
    std::string argument_;  // never of PASS and ACCT
    std::string path_;
    std::string extension_;
    std::string full_url_;
    int reply_ = 0;
    audit::Action action_ = audit::Action::allowed;
    std::string_view error_type_;
    std::string reason_;
    std::string_view rule_;
    std::vector<std::string_view> shadows_;
};

}  // namespace sluice::ftp
