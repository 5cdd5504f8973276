// SPDX-License-Identifier: Apache-2.0
#include "net/tls/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "net/worker.h"

namespace sluice::net::tls {

namespace {

constexpr std::size_t record_size = SSL3_RT_MAX_PLAIN_LENGTH;
// So much is encrypted before it goes down: one system call for some records.
constexpr std::size_t batch_size = 4 * record_size;

constexpr std::string_view unreadable = "a TLS record cannot be read";
constexpr Error cut_off{Errc::reset, Side::self, "ended without TLS's close_notify"};

}  // namespace

// OpenSSL's end of the stream below. Writing never waits: the room is that of one batch, and a flight of a handshake is smaller.
int read_below(BIO* bio, char* into, std::size_t size, std::size_t* got) {
    auto& self = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    *got = 0;
    if (self.ahead_read_ < self.ahead_.size()) {
        *got = std::min(size, self.ahead_.size() - self.ahead_read_);
        std::memcpy(into, self.ahead_.data() + self.ahead_read_, *got);
        self.ahead_read_ += *got;
        if (self.ahead_read_ == self.ahead_.size()) self.ahead_ = {};
        return 1;
    }
    const auto read = self.below_->try_read({into, size});
    if (!read) {
        self.below_failed_ = read.error();
        return 0;
    }
    if (!*read) {
        BIO_set_retry_read(bio);
        return 0;
    }
    if (**read == 0) {
        self.below_ended_ = true;
        return 0;
    }
    *got = **read;
    return 1;
}

int write_below(BIO* bio, const char* from, std::size_t size, std::size_t* taken) {
    auto& self = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    *taken = 0;
    if (!self.unsent_) {
        self.unsent_ = self.worker().buffers().borrow(BufferSize::large);
        self.unsent_begin_ = self.unsent_end_ = 0;
    }
    if (self.unsent_.size() - self.unsent_end_ < size) {
        std::memmove(self.unsent_.data(), self.unsent_.data() + self.unsent_begin_, self.unsent_end_ - self.unsent_begin_);
        self.unsent_end_ -= std::exchange(self.unsent_begin_, 0);
    }
    if (self.unsent_.size() - self.unsent_end_ < size) {  // no peer can make us say so much
        self.below_failed_ = Error{Errc::too_large, Side::self, "too much to say in one flight"};
        return 0;
    }
    std::memcpy(self.unsent_.data() + self.unsent_end_, from, size);
    self.unsent_end_ += size;
    *taken = size;
    return 1;
}

long control_below(BIO* bio, int command, long, void*) {
    const auto* self = static_cast<const TlsStream*>(BIO_get_data(bio));
    switch (command) {
        case BIO_CTRL_FLUSH: return 1;
        case BIO_CTRL_EOF: return self->below_ended_ ? 1 : 0;
        default: return 0;
    }
}

namespace {

// One for the process: it has no state.
const BIO_METHOD* method_below() {
    static const BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
        if (made == nullptr) throw std::bad_alloc();
        BIO_meth_set_read_ex(made, read_below);
        BIO_meth_set_write_ex(made, write_below);
        BIO_meth_set_ctrl(made, control_below);
        return made;
    }();
    return method;
}

}  // namespace

TlsStream::TlsStream(std::unique_ptr<Stream> below, SslPtr ssl, std::string ahead)
    : Stream(below->worker(), below->side(), below->peer()),
      below_(std::move(below)),
      ssl_(std::move(ssl)),
      ahead_(std::move(ahead)) {
    BIO* bio = BIO_new(method_below());
    if (bio == nullptr) throw std::bad_alloc();
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    below_->expires_never();
    below_->wake_instead(*reader_, *writer_);
}

TlsStream::~TlsStream() { close(); }

void TlsStream::wake_instead(Waiter& reader, Waiter& writer) {
    Stream::wake_instead(reader, writer);
    below_->wake_instead(reader, writer);
}

Task<Result<void>> TlsStream::handshake() {
    for (;;) {
        if (const auto error = failure()) co_return std::unexpected(*error);
        ERR_clear_error();
        const int outcome = SSL_do_handshake(ssl_.get());
        const int why = SSL_get_error(ssl_.get(), outcome);
        std::optional<Error> failed;
        if (outcome != 1 && why != SSL_ERROR_WANT_READ) failed = error_of(outcome, "the TLS handshake failed");
        // Also what says why it failed.
        bool has_waited = false;
        for (;;) {
            const auto flushed = flush();
            if (failed) co_return std::unexpected(*failed);
            if (CO_TRY(flushed)) break;
            CO_TRY(co_await wait_writable());
            has_waited = true;
        }
        if (outcome == 1) {
            is_established_ = true;
            co_return Result<void>{};
        }
        if (has_waited) continue;                        // something may have come meanwhile
        // Nothing was there: `below_` has been asked, and tells us when it is worth asking again.
        CO_TRY(arm_read());
        co_await until_woken();
    }
}

// Of a failed call, while OpenSSL's queue has its reasons.
Error TlsStream::error_of(int outcome, std::string_view what) {
    const int why = SSL_get_error(ssl_.get(), outcome);
    is_broken_ = true;
    if (below_failed_) return *below_failed_;
    const unsigned long reason = ERR_peek_last_error();
    ERR_clear_error();
    if (below_ended_ && (why == SSL_ERROR_SYSCALL || ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
        if (!is_established_) return {Errc::closed, side(), "closed inside the TLS handshake"};
        Error error = cut_off;
        error.side = side();
        return error;
    }
    // Of alerts that came, OpenSSL makes reasons of 1000 and their number.
    const int alert = ERR_GET_LIB(reason) == ERR_LIB_SSL && ERR_GET_REASON(reason) >= SSL_AD_REASON_OFFSET
                          ? ERR_GET_REASON(reason) - SSL_AD_REASON_OFFSET
                          : 0;
    return {Errc::tls_failed, side(), alert != 0 ? "the peer refused the TLS handshake" : what, alert};
}

Result<bool> TlsStream::flush() {
    if (!has_unsent()) return true;
    const std::string_view piece(unsent_.data() + unsent_begin_, unsent_end_ - unsent_begin_);
    const auto sent = below_->try_write({&piece, 1});
    if (!sent) return std::unexpected(sent.error());
    unsent_begin_ += *sent;
    if (has_unsent()) return false;
    unsent_.release();
    unsent_begin_ = unsent_end_ = 0;
    return true;
}

Result<std::optional<std::size_t>> TlsStream::try_read(std::span<char> into) {
    if (const auto error = failure()) return std::unexpected(*error);
    if (read_failed_) return std::unexpected(*read_failed_);
    std::size_t total = 0;
    // A record at a time, as long as there are any.
    while (total < into.size()) {
        std::size_t got = 0;
        ERR_clear_error();
        const int outcome = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &got);
        if (outcome == 1) {
            total += got;
            continue;
        }
        const int why = SSL_get_error(ssl_.get(), outcome);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_ZERO_RETURN) read_failed_ = error_of(outcome, unreadable);
        static_cast<void>(flush());                          // an alert, or an answer to what was no data: a refused renegotiation
        if (total != 0 || why == SSL_ERROR_WANT_READ) break;  // what ended it is told by the next call
        if (why == SSL_ERROR_ZERO_RETURN) return 0;
        return std::unexpected(*read_failed_);
    }
    if (total == 0) return std::nullopt;
    return total;
}

Result<std::size_t> TlsStream::try_write(std::span<const std::string_view> pieces) {
    if (const auto error = failure()) return std::unexpected(*error);
    if (is_broken_ || has_said_goodbye_) return fail(Errc::reset, side(), "TLS has ended");
    if (!TRY(flush())) return 0;

    std::size_t taken = std::exchange(encrypted_ahead_, 0);
    std::size_t skipped = taken;
    std::size_t next = 0;
    while (next < pieces.size() && skipped >= pieces[next].size()) skipped -= pieces[next++].size();
    if (next == pieces.size() && skipped != 0) return fail(Errc::io_failed, Side::self, "a write was not gone on with");

    std::array<char, record_size> together;
    while (next < pieces.size()) {
        std::size_t batch = 0;
        while (next < pieces.size() && batch < batch_size) {
            const std::string_view first = pieces[next].substr(skipped);
            std::string_view record = first.substr(0, record_size);
            if (record.size() < record_size && next + 1 < pieces.size()) {  // what is small goes together
                std::size_t filled = 0;
                while (next < pieces.size() && filled < together.size()) {
                    const std::string_view rest = pieces[next].substr(skipped);
                    const std::size_t part = rest.copy(together.data() + filled, together.size() - filled);
                    filled += part;
                    skipped += part;
                    if (skipped == pieces[next].size()) {
                        ++next;
                        skipped = 0;
                    }
                }
                record = {together.data(), filled};
            } else {
                skipped += record.size();
                if (skipped == pieces[next].size()) {
                    ++next;
                    skipped = 0;
                }
            }
            if (record.empty()) continue;
            std::size_t written = 0;
            ERR_clear_error();
            const int outcome = SSL_write_ex(ssl_.get(), record.data(), record.size(), &written);
            if (outcome != 1 || written != record.size()) return std::unexpected(error_of(outcome, "a TLS record cannot be written"));
            batch += written;
        }
        if (!TRY(flush())) {
            encrypted_ahead_ = batch;
            break;
        }
        taken += batch;
    }
    return taken;
}

bool TlsStream::can_read() {
    if (!below_->is_open() || below_failed_ || is_broken_) return true;
    char byte;
    std::size_t got = 0;
    ERR_clear_error();
    const int outcome = SSL_peek_ex(ssl_.get(), &byte, 1, &got);
    if (outcome == 1) return true;
    const int why = SSL_get_error(ssl_.get(), outcome);
    if (why == SSL_ERROR_WANT_READ) return false;
    if (why != SSL_ERROR_ZERO_RETURN) read_failed_ = error_of(outcome, unreadable);
    return true;
}

bool TlsStream::can_write() { return !below_->is_open() || below_->can_write(); }

bool TlsStream::is_quiet() {
    if (!is_open() || failure() || has_unsent()) return false;
    // Session tickets come when nobody asks for them: what is below may have something to read, and we not. A look at both ends it.
    if (can_read()) return false;
    return below_->is_quiet();
}

std::size_t TlsStream::untaken() const { return below_->untaken() + (unsent_end_ - unsent_begin_); }

Result<void> TlsStream::arm_below(bool write) { return write ? below_->arm_write() : below_->arm_read(); }

// Nothing more from us. As far as there is room for it now: a peer that takes nothing is not waited for.
void TlsStream::say_goodbye() {
    if (has_said_goodbye_ || !is_established_ || is_broken_ || has_unsent() || !below_->is_open()) return;
    has_said_goodbye_ = true;
    ERR_clear_error();
    static_cast<void>(SSL_shutdown(ssl_.get()));
    static_cast<void>(flush());
}

void TlsStream::shutdown_write() {
    say_goodbye();
    below_->shutdown_write();
}

void TlsStream::close() {
    if (!below_->is_open()) return;
    say_goodbye();
    below_->close();
}

void TlsStream::abort() { below_->abort(); }

std::string_view TlsStream::version() const {
    switch (SSL_version(ssl_.get())) {
        case TLS1_3_VERSION: return "1.3";
        case TLS1_2_VERSION: return "1.2";
        case TLS1_1_VERSION: return "1.1";
        case TLS1_VERSION: return "1.0";
        default: return "";
    }
}

std::string_view TlsStream::cipher() const {
    const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
    const char* name = cipher == nullptr ? nullptr : SSL_CIPHER_standard_name(cipher);
    return name == nullptr ? std::string_view() : std::string_view(name);
}

}  // namespace sluice::net::tls
