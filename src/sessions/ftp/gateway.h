// SPDX-License-Identifier: Apache-2.0
// An FTP server as HTTP's sessions see it: one request of HTTP/1.1 comes in, is done in FTP, and its response goes back. What may be asked, and whether the
// payload may pass, is decided on the other side of the stream; nothing is judged here.
//   gateway.cpp           the request; the login; what became of it
//   gateway_transfer.cpp  files and listings down, files up
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/gate.h"
#include "net/stream.h"
#include "net/worker.h"
#include "protocols/ftp/url_path.h"
#include "protocols/http1/head.h"
#include "sessions/ftp/settings.h"
#include "sessions/ftp/upstream.h"
#include "sessions/transaction/ftp_origin.h"

namespace sluice::ftp {

class Gateway {
public:
    // `client`: where the request comes from. The settings say how servers are spoken with.
    Gateway(net::Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> client, sessions::FtpOrigin origin);
    Gateway(const Gateway&) = delete;
    Gateway& operator=(const Gateway&) = delete;
    // From the request's head to the end of both connections.
    net::Task<void> run();

private:
    template <class T>
    using Outcome = net::Task<Result<T>>;
    // Nothing was sent yet: this is what the client gets.
    struct Answer {
        int status = 500;
        std::string text;  // a sentence
        std::string field;  // one more field line, whole; empty: none
    };
    using Refused = std::optional<Answer>;

    // gateway.cpp
    Outcome<void> read_request();
    void begin_watch();
    net::Task<void> watch();  // whether whoever asks is still there
    net::Task<void> hear_out();
    net::Task<void> serve();
    Outcome<Refused> log_in();
    Outcome<Refused> do_it();
    Outcome<bool> enter(std::string_view path);  // CWD
    Outcome<void> send(std::string_view text);
    Outcome<void> send_answer(const Answer& answer);
    Answer answer_of(const Reply& reply) const;
    Answer answer_of(const Error& error) const;
    Answer moved_to_directory() const;

    // gateway_transfer.cpp
    Outcome<Refused> get_file();
    Outcome<void> look_at_file();  // its size and time
    void begin_head(int status);  // into out_
    Outcome<void> pump_download();
    Outcome<Refused> get_listing();
    Outcome<void> pump_listing(bool is_machine_readable);
    Outcome<void> send_chunk(std::string_view data);
    Outcome<Refused> put_file();
    Outcome<void> pump_upload();
    net::Task<Refused> take_back(const Error& error);

    net::Worker& worker_;
    std::shared_ptr<const Settings> settings_;
    std::unique_ptr<net::Stream> client_;
    sessions::FtpOrigin origin_;
    News news_{[this] { heed(); }};
    std::optional<Upstream> server_;
    void heed();

    // The request. `read_` holds the head, to which it has views, and what came behind it.
    std::string read_;
    std::size_t head_size_ = 0;
    http1::RequestHead head_;
    UrlPath path_;
    bool is_head() const { return head_.method == "HEAD"; }

    net::Gate watched_;
    bool is_watching_ = false;
    bool has_left_ = false;
    bool has_begun_ = false;  // a head went out
    std::string out_;
    std::optional<std::uint64_t> size_;
    std::optional<std::int64_t> modified_;  // Unix seconds
    bool existed_ = true;  // the file of an upload, for all that is known
    const Limits& limits() const { return settings_->limits; }
};

}  // namespace sluice::ftp
