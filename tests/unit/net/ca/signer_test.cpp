// SPDX-License-Identifier: Apache-2.0
#include "net/ca/signer.h"
#include "unit/net/ca/support.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace sluice::net::ca {
namespace {

TEST_F(SignerTest, signs_leaves) {
    for (const std::string_view host : {"a.test", "192.0.2.1"}) {
        const auto leaf = signer_->sign_and_read(with_key(request_for(host), key_.get()));
        ASSERT_TRUE(leaf);
        EXPECT_EQ(X509_verify(leaf->get(), authority_.key.get()), 1);
        EXPECT_EQ(X509_check_private_key(leaf->get(), key_.get()), 1);
    }
    const tls::Identity server = tls::make_certificate({.common_name = "server", .names = "DNS:a.test,DNS:*.b.test,IP:192.0.2.1"});
    const auto leaf = signer_->sign_and_read(with_key(request_like(*server.certificate), key_.get()));
    ASSERT_TRUE(leaf);
    EXPECT_EQ(verify(**leaf, "x.b.test"), X509_V_OK);
    EXPECT_EQ(subject_of(**leaf), "CN=server");
}

TEST_F(SignerTest, refuses_and_goes_on) {
    EXPECT_EQ(tls::code_of(signer_->sign_and_read(request_for("a.test"))), Errc::malformed) << "without a key";
    EXPECT_EQ(tls::code_of(signer_->sign_and_read({})), Errc::malformed);
    const tls::KeyPtr weak(EVP_RSA_gen(1024));
    EXPECT_EQ(tls::code_of(signer_->sign_and_read(with_key(request_for("a.test"), weak.get()))), Errc::malformed);
    LeafRequest huge = with_key(request_for("a.test"), key_.get());
    huge.names.assign(200'000, 'x');
    EXPECT_EQ(tls::code_of(signer_->sign_and_read(huge)), Errc::malformed);
    huge.names.assign(100'000, 'x');
    EXPECT_EQ(tls::code_of(signer_->sign_and_read(huge)), Errc::malformed);
    EXPECT_TRUE(signer_->sign_and_read(with_key(request_for("a.test"), key_.get())));
}

// Packets that are no questions, whole, cut and with more behind them: none ends it, and their answers are for nobody.
TEST_F(SignerTest, garbage_is_survived) {
    std::vector<std::string> all{"x", std::string(100, 'y'), std::string(8, '\0') + std::string(40, '\xff'), std::string(150'000, 'z')};
    // Lengths that reach behind the end, also around it.
    for (const std::uint64_t length : {std::uint64_t{1}, std::uint64_t{1} << 32, ~std::uint64_t{0}, ~std::uint64_t{0} - 15}) {
        std::string packet(16, '\0');
        packet.append(reinterpret_cast<const char*>(&length), sizeof length);
        all.push_back(packet);
        all.push_back(packet + std::string(24, '\0'));
    }
    for (std::size_t size = 1; size <= 48; ++size) all.emplace_back(size, '\0');
    int unread = 0;
    for (const std::string& garbage : all) {
        ASSERT_EQ(::send(ours_, garbage.data(), garbage.size(), 0), static_cast<ssize_t>(garbage.size()));
        if (++unread % 3 == 0)
            ASSERT_TRUE(signer_->sign_and_read(with_key(request_for("a.test"), key_.get()))) << "after " << garbage.size();
    }
    EXPECT_TRUE(signer_->sign_and_read(with_key(request_for("b.test"), key_.get())));
}

TEST_F(SignerTest, many_threads_may_ask) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([this, host = "host" + std::to_string(i) + ".test"] {
            const tls::KeyPtr key(EVP_EC_gen("P-256"));
            for (int n = 0; n < 20; ++n) {
                const auto leaf = signer_->sign_and_read(with_key(request_for(host), key.get()));
                ASSERT_TRUE(leaf);
                EXPECT_EQ(subject_of(**leaf), "CN=" + host);
                EXPECT_EQ(X509_check_private_key(leaf->get(), key.get()), 1);
            }
        });
    for (std::thread& thread : threads) thread.join();
}

// With a signer of the test's own.
class SignersOtherEnd : public AuthorityTest {
protected:
    SignersOtherEnd() : ends_(packets()), signer_(ends_.first) {}
    ~SignersOtherEnd() override {
        if (ends_.second >= 0) ::close(ends_.second);
    }
    using Answer = std::vector<std::string>;
    // What is found when those packets follow a question; `{number}` at their front is the question's.
    Result<tls::CertificatePtr> ask(const std::function<Answer(const std::string& number)>& answer) {
        std::thread other([&, socket = ends_.second] {
            std::string question(200'000, 0);
            const ssize_t got = ::recv(socket, question.data(), question.size(), 0);
            EXPECT_GT(got, 8);
            for (const std::string& packet : answer(question.substr(0, 8))) ::send(socket, packet.data(), packet.size(), 0);
        });
        auto leaf = signer_.sign_and_read(with_key(request_for("a.test"), key_.get()));
        other.join();
        return leaf;
    }
    std::pair<int, int> ends_;
    Signer signer_;
};

TEST_F(SignersOtherEnd, answers_to_what_was_given_up_are_for_nobody) {
    const std::string late = "S" + to_der(*sign(request_for("late.test")));
    const std::string good = "S" + to_der(*sign(request_for("good.test")));
    std::string earlier;
    for (int i = 0; i < 3; ++i) {
        const auto leaf = ask([&](const std::string& number) {
            EXPECT_NE(number, earlier) << "each question has its own";
            Answer answer{std::string(8, '\xff') + late, "x", std::string(8, '\0') + "R"};
            if (!earlier.empty()) answer.push_back(earlier + late);
            answer.push_back(number + good);
            answer.push_back(number + late);  // once more: for nobody as well
            earlier = number;
            return answer;
        });
        ASSERT_TRUE(leaf);
        EXPECT_EQ(subject_of(**leaf), "CN=good.test");
    }
}

TEST_F(SignersOtherEnd, an_answer_that_is_none_is_an_error) {
    for (const std::string& answer : {std::string(), std::string("R"), std::string("X"), std::string("S"), std::string("Sgarbage")})
        EXPECT_FALSE(ask([&](const std::string& number) { return Answer{number + answer}; })) << answer;
}

TEST_F(SignersOtherEnd, a_signer_that_is_gone_is_told) {
    ::close(std::exchange(ends_.second, -1));
    const auto leaf = signer_.sign_and_read(with_key(request_for("a.test"), key_.get()));
    ASSERT_FALSE(leaf);
    EXPECT_TRUE(leaf.error().code == Errc::closed || leaf.error().code == Errc::reset || leaf.error().code == Errc::io_failed)
        << to_string(leaf.error().code);
    EXPECT_EQ(leaf.error().side, Side::self);
}

}  // namespace
}  // namespace sluice::net::ca
