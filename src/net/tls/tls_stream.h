// SPDX-License-Identifier: Apache-2.0
// TLS over any stream: OpenSSL reads the bytes of the stream below where they arrive, and what it writes goes down in large pieces.
//
// An orderly end is the peer's close_notify; one without it is `reset`, because who cuts a connection could forge it (RFC 8446 6.1).
#pragma once

#include "net/stream.h"
#include "net/tls/openssl.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice::net::tls {

class TlsStream final : public Stream {
public:
    // `ahead`: what was read from `below` already. `ssl` knows which side it is.
    TlsStream(std::unique_ptr<Stream> below, SslPtr ssl, std::string ahead = {});
    ~TlsStream() override;

    // To its end, within the stream's deadline. Errors: tls_failed, of the peer's side; `cause` is the alert that it sent, or 0 where what it sent
    // was at fault (it has had an alert of ours then). closed, reset and timed_out as any read.
    Task<Result<void>> handshake();

    Result<std::optional<std::size_t>> try_read(std::span<char> into) override;
    // What it reports as taken has gone down whole. Whoever was told of less goes on with the same bytes: some of them may be encrypted already.
    Result<std::size_t> try_write(std::span<const std::string_view> pieces) override;
    bool is_quiet() override;
    void shutdown_write() override;
    void close() override;
    void abort() override;
    bool is_open() const override { return below_->is_open(); }
    IpPort local() const override { return below_->local(); }

    SSL* ssl() const { return ssl_.get(); }
    std::string_view version() const;  // "1.3"
    std::string_view cipher() const;  // IANA's name
    bool is_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

private:
    friend int read_below(BIO*, char*, std::size_t, std::size_t*);
    friend int write_below(BIO*, const char*, std::size_t, std::size_t*);
    friend long control_below(BIO*, int, long, void*);

    Result<void> arm_read() override { return arm_below(false); }
    Result<void> arm_write() override { return arm_below(true); }
    bool can_read() override;
    bool can_write() override;
    std::size_t untaken() const override;
    void wake_instead(Waiter& reader, Waiter& writer) override;

    Result<void> arm_below(bool write);
    Error error_of(int outcome, std::string_view what);
    // Down with what is encrypted: true when all of it has gone.
    Result<bool> flush();
    bool has_unsent() const { return unsent_begin_ < unsent_end_; }
    void say_goodbye();

    std::unique_ptr<Stream> below_;
    SslPtr ssl_;
    std::string ahead_;
    std::size_t ahead_read_ = 0;
    std::optional<Error> below_failed_;
    bool below_ended_ = false;
    std::optional<Error> read_failed_;  // told by every read from now on: OpenSSL says why only once
    Buffer unsent_;  // encrypted, on its way down; borrowed while there is any
    std::size_t unsent_begin_ = 0;
    std::size_t unsent_end_ = 0;
    std::size_t encrypted_ahead_ = 0;  // octets of the next write that are in unsent_ already
    bool is_established_ = false;
    bool is_broken_ = false;  // OpenSSL has given up: it must not be asked for a close_notify
    bool has_said_goodbye_ = false;
};

}  // namespace sluice::net::tls
