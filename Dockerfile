# The final image holds one static program and an empty state directory:
# certificates and time zones are inside the program, there is no shell.
# VERSION goes into the program; SOURCE_DATE_EPOCH into the layers' times.
ARG GO_VERSION=1.26.8
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-bookworm AS build
ARG TARGETOS=linux TARGETARCH=amd64 VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY internal internal
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
      -ldflags "-s -w -buildid= -X main.version=$VERSION" \
      -o /image/cadrift ./cmd/cadrift \
 && mkdir -p /image/var/lib/cadrift /image/etc/cadrift /image/tmp && chmod 0700 /image/var/lib/cadrift && chmod 1777 /image/tmp

FROM scratch
COPY --from=build /image/cadrift /cadrift
COPY --from=build /image/etc /etc
COPY --from=build /image/tmp /tmp
COPY --from=build --chown=10001:10001 /image/var /var
ENV PATH=/
USER 10001:10001
VOLUME /var/lib/cadrift
EXPOSE 9488
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --retries=3 CMD ["/cadrift", "status", "--ready"]
ENTRYPOINT ["/cadrift"]
CMD ["run"]
