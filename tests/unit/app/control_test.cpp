// SPDX-License-Identifier: Apache-2.0
#include "app/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <thread>

namespace sluice::app {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Control : public testing::Test {
protected:
    Control() {
        std::string name = (fs::temp_directory_path() / "sluice-control-XXXXXX").string();
        folder_ = mkdtemp(name.data());
    }
    ~Control() override {
        stop();
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    void serve() {
        ASSERT_TRUE(socket_.open(folder_, std::nullopt));
        socket_.start();
        thread_ = std::thread([this] { context_.run(); });
    }
    void stop() {
        if (!thread_.joinable()) return;
        context_.stop();
        thread_.join();
    }
    bool handle(const std::string& command, ControlSocket::Answer answer) {
        if (command == "status") answer({{"ok", true}, {"state", "running"}});
        else if (command == "reload")
            later_ = std::thread([this, answer] { boost::asio::post(context_, [answer] { answer({{"ok", false}, {"error", "no"}}); }); });
        else return false;
        return true;
    }

    fs::path folder_;
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{context_.get_executor()};
    ControlSocket socket_{context_,
                          [this](const std::string& command, ControlSocket::Answer answer) { return handle(command, std::move(answer)); }};
    std::thread thread_;
    std::thread later_;
};

TEST_F(Control, answers_a_command) {
    serve();
    const auto answer = ask_instance(folder_, "status", false);
    ASSERT_TRUE(answer) << answer.error();
    EXPECT_EQ(answer->at("state").as_string(), "running");
}

TEST_F(Control, answers_later_too) {
    serve();
    const auto answer = ask_instance(folder_, "reload", false);
    later_.join();
    ASSERT_TRUE(answer) << answer.error();
    EXPECT_FALSE(answer->at("ok").as_bool());
    EXPECT_EQ(answer->at("error").as_string(), "no");
}

TEST_F(Control, an_unknown_command) {
    serve();
    const auto answer = ask_instance(folder_, "dance", false);
    ASSERT_TRUE(answer) << answer.error();
    EXPECT_FALSE(answer->at("ok").as_bool());
}

TEST_F(Control, is_for_its_user_alone) {
    serve();
    struct stat entry{};
    ASSERT_EQ(stat(control_socket_path(folder_).c_str(), &entry), 0);
    EXPECT_EQ(entry.st_mode & 0777U, 0600U);
}

TEST_F(Control, nobody_there) {
    const auto answer = ask_instance(folder_, "status", false);
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error(), HasSubstr("not running"));
}

TEST_F(Control, a_live_instance_is_not_replaced_and_a_dead_one_is) {
    serve();
    boost::asio::io_context other_context{1};
    ControlSocket other(other_context, [](const std::string&, const ControlSocket::Answer&) { return false; });
    const auto taken = other.open(folder_, std::nullopt);
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error(), HasSubstr("already running"));

    // A process that was killed leaves its socket's name behind.
    const fs::path dead = folder_ / "dead";
    fs::create_directory(dead);
    const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, control_socket_path(dead).c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(descriptor);
    EXPECT_TRUE(other.open(dead, std::nullopt));
}

TEST_F(Control, the_folder_is_made) {
    EXPECT_TRUE(socket_.open(folder_ / "a/b", std::nullopt));
    EXPECT_TRUE(fs::is_socket(folder_ / "a/b/control.sock"));
    socket_.close();
    EXPECT_FALSE(fs::exists(folder_ / "a/b/control.sock"));
}

TEST_F(Control, nonsense_ends_the_connection) {
    serve();
    const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, control_socket_path(folder_).c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string flood(8192, 'x');
    send(descriptor, flood.data(), flood.size(), MSG_NOSIGNAL);
    char byte = 0;
    EXPECT_LE(recv(descriptor, &byte, 1, 0), 0);
    close(descriptor);
    EXPECT_TRUE(ask_instance(folder_, "status", false));
}

}  // namespace
}  // namespace sluice::app
