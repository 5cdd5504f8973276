// SPDX-License-Identifier: Apache-2.0
#include "sessions/ftp/gateway.h"

#include <fmt/format.h>

#include <array>

#include "base/html.h"
#include "protocols/http1/encoder.h"
#include "protocols/http1/head_parser.h"

namespace sluice::ftp {

namespace {

constexpr std::string_view anonymous = "anonymous";
constexpr std::string_view anonymous_password = "anonymous@";  // RFC 1635: an address, which is nobody's business

}  // namespace

Gateway::Gateway(net::Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> client,
                 sessions::FtpOrigin origin)
    : worker_(worker),
      settings_(std::move(settings)),
      client_(std::move(client)),
      origin_(std::move(origin)) {}

void Gateway::heed() {
    const bool server_says_no =
        server_ && server_->is_transferring() && (server_->failure() || (server_->has_reply() && server_->front().is_failure()));
    if ((has_left_ || server_says_no) && server_) server_->cancel_data();
}

net::Task<void> Gateway::run() {
    server_.emplace(worker_, news_, std::move(origin_.control), FixedServer{origin_.server, origin_.port},
                    Upstream::For{settings_, origin_.protect_host, origin_.client, [this]() -> std::optional<Error> {
                                      if (!has_left_) return std::nullopt;
                                      return Error{Errc::closed, Side::client, "closed"};
                                  }});
    if (co_await read_request()) co_await serve();
    if (is_watching_) {
        client_->cancel();
        co_await watched_.wait();
    }
    co_await server_->leave();
    if (client_->is_open() && head_.body.kind != http1::Framing::Kind::none) co_await hear_out();
    client_->close();
}

// An answer before the end of a body would be lost to the reset that closing makes of what is not read.
net::Task<void> Gateway::hear_out() {
    std::array<char, 4096> room;
    client_->shutdown_write();
    client_->expires_in(limits().lingering);
    for (std::size_t read = 0; read < limits().lingering_bytes;) {
        const auto got = co_await client_->read_some(room);
        if (!got || *got == 0) co_return;
        read += *got;
    }
}

void Gateway::begin_watch() {
    is_watching_ = true;
    net::spawn(worker_, watch());
}

Gateway::Outcome<void> Gateway::read_request() {
    http1::RequestParser parser(limits());
    std::array<char, 4096> room;
    for (;;) {
        if (!read_.empty())
            if (const auto size = CO_TRY(parser.parse(read_, head_))) {
                head_size_ = *size;
                break;
            }
        const std::size_t got = CO_TRY(co_await client_->read_some(room));
        if (got == 0) co_return fail(Errc::closed, Side::client, "closed inside a head");
        read_.append(room.data(), got);
    }
    if (head_.body.kind == http1::Framing::Kind::none) begin_watch();
    co_return Result<void>{};
}

net::Task<void> Gateway::watch() {
    static_cast<void>(co_await client_->wait_readable());
    has_left_ = true;
    news_.tell();
    watched_.open();
}

net::Task<void> Gateway::serve() {
    auto refused = co_await log_in();
    if (refused && !*refused) refused = co_await do_it();
    if (refused && !*refused) co_return;
    if (!refused && refused.error().side == Side::client) co_return;  // nobody is there to hear of it
    if (has_begun_) {
        client_->abort();  // the client must see that this was not all
        co_return;
    }
    static_cast<void>(co_await send_answer(refused ? **refused : answer_of(refused.error())));
}

Gateway::Outcome<Gateway::Refused> Gateway::log_in() {
    const Reply greeting = CO_TRY(co_await server_->greeting());
    if (!greeting.is_success()) co_return Answer{503, fmt::format("The server does not serve us now: {}", greeting.text()), {}};
    CO_TRY(co_await server_->secure(false));
    const bool is_anonymous = origin_.user.empty();
    Reply reply = CO_TRY(co_await server_->ask("USER", is_anonymous ? anonymous : std::string_view(origin_.user)));
    if (reply.is_intermediate())
        reply = CO_TRY(co_await server_->ask("PASS", is_anonymous ? anonymous_password : std::string_view(origin_.password)));
    if (reply.is_success()) co_return std::nullopt;
    if (reply.code == 421) co_return answer_of(reply);
    co_return Answer{401, fmt::format("The server wants a name and a password: {}", reply.text()),
                     fmt::format("WWW-Authenticate: Basic realm=\"FTP {}\"\r\n", origin_.server.host)};
}

Gateway::Outcome<Gateway::Refused> Gateway::do_it() {
    const bool is_put = head_.method == "PUT";
    if (head_.method != "GET" && !is_head() && !is_put)
        co_return Answer{405, "Of FTP, this proxy knows GET, HEAD and PUT.", "Allow: GET, HEAD, PUT\r\n"};
    auto path = parse_url_path(origin_.path);
    if (!path) co_return Answer{400, "A name in this address is none that a server could have.", {}};
    path_ = std::move(*path);
    if (origin_.type == 'd') path_.is_directory = true;
    const Reply typed = CO_TRY(co_await server_->ask("TYPE", origin_.type == 'a' ? "A" : "I"));
    if (!typed.is_success()) co_return answer_of(typed);
    if (is_put) co_return co_await put_file();
    if (path_.is_directory || path_.path.empty()) co_return co_await get_listing();
    co_return co_await get_file();
}

Gateway::Outcome<bool> Gateway::enter(std::string_view path) {
    if (path.empty()) co_return true;
    const Reply reply = CO_TRY(co_await server_->ask("CWD", path));
    co_return reply.is_success();
}

Gateway::Outcome<void> Gateway::send(std::string_view text) {
    has_begun_ = true;
    const std::array<std::string_view, 1> pieces{text};
    co_return co_await client_->write(pieces, 0, limits().body_idle);
}

Gateway::Outcome<void> Gateway::send_answer(const Answer& answer) {
    std::string page = "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>";
    page += fmt::format("{} {}", answer.status, http1::reason_phrase(answer.status));
    page += "</title></head>\n<body><p>";
    append_html_escaped(page, answer.text);
    page += "</p></body>\n</html>\n";
    out_.clear();
    http1::HeadWriter writer(out_);
    writer.status_line(answer.status);
    writer.field("Content-Type", "text/html; charset=utf-8");
    writer.field("Content-Length", std::uint64_t{page.size()});
    writer.field("Connection", "close");
    out_ += answer.field;
    writer.end();
    if (!is_head()) out_ += page;
    co_return co_await send(out_);
}

Gateway::Answer Gateway::answer_of(const Reply& reply) const {
    const auto said = [&](int status, std::string_view what) { return Answer{status, fmt::format("{}: {}", what, reply.text()), {}}; };
    const bool is_put = head_.method == "PUT";
    switch (reply.code) {
        case 421: return said(503, "The server does not serve us now");
        case 425: return said(502, "The server has no data connection for us");
        case 450: return said(503, "The file cannot be had now");
        case 452:
        case 552: return said(507, "The server has no room for this");
        case 530:
        case 532: return said(403, "The server wants another login for this");
        case 550: return is_put ? said(403, "The server does not take this file") : said(404, "The server has no such file");
        case 553: return said(403, "The server does not allow this name");
        default: return said(502, "The server refuses");
    }
}

Gateway::Answer Gateway::answer_of(const Error& error) const {
    if (error.side == Side::self) return {500, "This proxy failed.", {}};
    if (error.code == Errc::timed_out) return {504, "The server does not answer.", {}};
    if (error.code == Errc::tls_failed) return {502, fmt::format("TLS with the server failed: {}.", error.what), {}};
    return {502, fmt::format("The server broke the session off: {}.", error.what), {}};
}

// What is a directory gets its slash, or the links of its page would lead elsewhere.
Gateway::Answer Gateway::moved_to_directory() const { return {301, "This is a directory.", fmt::format("Location: {}/\r\n", origin_.url)}; }

}  // namespace sluice::ftp
